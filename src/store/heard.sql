-- What version 8 adds: the repositories of whose branches webhooks told the last time.
CREATE TABLE heard (
    repository TEXT PRIMARY KEY
) WITHOUT ROWID;

-- Those of which a delivery is remembered that did.
INSERT INTO heard
SELECT DISTINCT repository FROM deliveries WHERE CASE WHEN json_valid(hint) THEN json_type(hint, '$.branch') END IS NOT NULL;
