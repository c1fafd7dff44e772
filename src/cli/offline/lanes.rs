//! What keeps the roots of an environment from being divided into lanes.

use std::collections::BTreeMap;

use hydrators::{Mistake, Root};

use crate::domain::{
    ids::{LaneName, RootName},
    lane::Lanes,
};

/// Returns a mistake for each root whose labels name no lane, and for those in which two lanes meet.
pub(super) fn mistakes(roots: &[Root], lanes: &Lanes) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut named: BTreeMap<&str, (&Root, LaneName)> = BTreeMap::new();
    for root in roots {
        let Ok(name) = RootName::new(root.output.as_str()) else { continue };
        match lanes.of(&name, &root.labels) {
            Ok(lane) => {
                named.insert(&root.output, (root, lane));
            }
            Err(no_lane) => mistakes.push(mistake(root, no_lane.to_string())),
        }
    }
    for (root, lane) in named.values() {
        let meeting = named.values().find_map(|(other, other_lane)| meet(root, lane, other, other_lane));
        mistakes.extend(meeting.map(|message| mistake(root, message)));
    }
    mistakes
}

/// Says how a root meets another of a different lane.
fn meet(root: &Root, lane: &LaneName, other: &Root, other_lane: &LaneName) -> Option<String> {
    if root.output.strip_prefix(&other.output).is_some_and(|rest| rest.starts_with('/')) && lane != other_lane {
        return Some(format!(
            "`{}` of the lane `{lane}` is inside `{}` of the lane `{other_lane}`; lanes share no folder: give it \
             another `output`",
            root.output, other.output
        ));
    }
    (other_lane < lane && other_lane.as_str().eq_ignore_ascii_case(lane.as_str())).then(|| {
        format!("the lanes `{other_lane}` and `{lane}` differ in upper and lower case alone; give them different names")
    })
}

fn mistake(root: &Root, message: String) -> Mistake {
    Mistake { source: root.source, line: root.line, text: String::new(), message }
}
