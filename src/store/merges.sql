-- What version 4 adds: how promotions were merged, by whom and on what grounds.

ALTER TABLE promotions ADD COLUMN merge_record TEXT;
