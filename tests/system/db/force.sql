-- Frames are taken by force while the database reads: what was in them comes back from the disk.
CREATE TABLE row(number INTEGER PRIMARY KEY, text TEXT NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO row SELECT i, printf('%01500d', i) FROM n;
PRAGMA wal_checkpoint(TRUNCATE);
.during 6000 SELECT 1 FROM row WHERE number = 1 + abs(random()) % 2000 AND text = ''
SELECT count(*), sum(length(text)), sum(CAST(text AS INTEGER)) FROM row;
INSERT INTO row(text) VALUES ('after it');
PRAGMA integrity_check;
