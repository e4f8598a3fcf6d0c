CREATE TABLE t(id INTEGER PRIMARY KEY, value, text);
CREATE INDEX by_value ON t(value);
CREATE TABLE last(number);
INSERT INTO last VALUES (0);
PRAGMA wal_autocheckpoint=40;
CREATE TRIGGER counted AFTER UPDATE ON last BEGIN
    INSERT OR REPLACE INTO t VALUES (new.number * 31 % 60, new.number, hex(zeroblob(new.number * 397 % 3000)));
    UPDATE t SET value = value + 1 WHERE new.number % 4 = 1 AND id % 4 = new.number % 3;
    DELETE FROM t WHERE new.number % 5 = 2 AND id = new.number * 17 % 60;
END;
.print begin
.repeat 100 UPDATE last SET number = number + 1
SELECT number, (SELECT count(*) FROM t) FROM last;
