-- What the database does while `exo bench rt` measures: one commit after the other.
create table load(number integer primary key, words text);
.during 60000 insert into load(words) values (hex(randomblob(40)));
