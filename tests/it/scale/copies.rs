//! Copies of what a service knows: as many repositories, each with its mirror, and one database of them all.

use std::{
    fs,
    path::{Path, PathBuf},
};

use hydromote::{
    domain::ids::{RepositoryId, StrategyId},
    git::mirror::{self, Mirror},
    reconcile::context::StrategyContext,
    store::Store,
};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use crate::world::{Fallible, REPOSITORY, TestResult};

/// The tables that nothing is read from at rest.
const LEFT_OUT: &str = "'deliveries', 'intents'";

/// Makes `count` copies of a strategy in `folder`; `original` is the folder of the service that made it.
pub(super) async fn copy(
    context: &StrategyContext,
    original: &Path,
    folder: &Path,
    count: usize,
) -> Fallible<Vec<StrategyContext>> {
    fs::create_dir_all(folder)?;
    let database = folder.join("hydromote.db");
    Store::open(&database).await?.close().await;
    multiply(&original.join("hydromote.db"), &database, count).await?;
    let store = Store::open(&database).await?;
    let from = mirror::folder(original, &context.id.repository);
    let mut copies = Vec::new();
    for number in 1..=count {
        let repository = RepositoryId::new(format!("{REPOSITORY}-{number}"))?;
        let path = mirror::folder(folder, &repository);
        borrow(&from, &path)?;
        let mut copy = context.clone();
        copy.id = StrategyId { repository: repository.clone(), name: context.id.name.clone() };
        copy.shared.store = store.clone();
        copy.dry.shared = copy.shared.clone();
        copy.dry.mirror = Mirror::open(&path)?;
        copy.dry.id = repository;
        copy.destination = copy.dry.clone();
        copies.push(copy);
    }
    Ok(copies)
}

/// Copies a mirror, which borrows the objects of the original: those are read alike, and never change.
fn borrow(from: &Path, to: &Path) -> TestResult {
    let mut folders: Vec<PathBuf> = vec![PathBuf::from("refs")];
    while let Some(inside) = folders.pop() {
        fs::create_dir_all(to.join(&inside))?;
        for entry in fs::read_dir(from.join(&inside))? {
            let entry = entry?;
            let path = inside.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                fs::copy(entry.path(), to.join(&path))?;
            }
        }
    }
    for file in ["HEAD", "config", "packed-refs", "shallow"].map(Path::new) {
        if from.join(file).exists() {
            fs::copy(from.join(file), to.join(file))?;
        }
    }
    let (theirs, ours) = (from.join("objects"), to.join("objects/info"));
    fs::create_dir_all(&ours)?;
    Ok(fs::write(ours.join("alternates"), format!("{}\n", theirs.display()))?)
}

/// Writes the rows of a database so many times, each time for another repository. Rows of one time stand together,
/// as they do when many repositories are promoted side by side.
async fn multiply(from: &Path, to: &Path, count: usize) -> TestResult {
    let mut database = SqliteConnection::connect(&format!("sqlite://{}", to.display())).await?;
    run(&mut database, "PRAGMA synchronous = OFF".to_owned()).await?;
    run(&mut database, format!("ATTACH DATABASE 'file:{}' AS original", from.display())).await?;
    let tables = format!("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ({LEFT_OUT})");
    let tables: Vec<String> = sqlx::query_scalar(AssertSqlSafe(tables)).fetch_all(&mut database).await?;
    for table in tables {
        let columns = columns(&mut database, &table).await?;
        let values: Vec<String> = columns.iter().map(|column| value(column)).collect();
        let (columns, values) = (columns.join(", "), values.join(", "));
        run(
            &mut database,
            format!(
                "WITH RECURSIVE copies(copy) AS
                     (SELECT 1 UNION ALL SELECT copy + 1 FROM copies WHERE copy < {count})
                 INSERT INTO {table} ({columns}) SELECT {values} FROM original.{table} CROSS JOIN copies"
            ),
        )
        .await?;
    }
    Ok(database.close().await?)
}

/// Returns the columns of a table, but for numbers that the database gives itself.
async fn columns(database: &mut SqliteConnection, table: &str) -> Fallible<Vec<String>> {
    let rows = sqlx::query(AssertSqlSafe(format!("PRAGMA table_info({table})"))).fetch_all(database).await?;
    let names = rows.iter().map(|row| row.get::<String, _>("name"));
    Ok(names.filter(|name| name != "id").collect())
}

/// Returns what a copy has in a column.
fn value(column: &str) -> String {
    match column {
        "repository" | "strategy" => format!("replace({column}, '{REPOSITORY}', '{REPOSITORY}-' || copy)"),
        other => other.to_owned(),
    }
}

async fn run(database: &mut SqliteConnection, statement: String) -> TestResult {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(database).await?;
    Ok(())
}
