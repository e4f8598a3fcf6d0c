create table load(number integer primary key, words text);
.during 800 insert into load(words) values (hex(randomblob(40)));
select count(*) > 0, count(*) = max(number) from load;
pragma integrity_check;
