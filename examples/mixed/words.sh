# What the Unix of the mixed system does with real text; judge.py computes the same on the host.
# A part that fails or is killed ends the script with its status, so each result is a variable's value: those of `echo "$(...)"` are lost.
set -e -o pipefail
cd /test
texts='GPL-1 GPL-2 GPL-3 LGPL-2 LGPL-2.1 LGPL-3 GFDL-1.2 GFDL-1.3 Apache-2.0 MPL-1.1 MPL-2.0 Artistic'
count() { wc -l | tr -d ' '; }

value=$(count < american-english)
echo "result lines $value"
value=$(grep -c '^[A-Z]' american-english)
echo "result capitals $value"
value=$(awk '{ if (length($0) > length(long)) long = $0 } END { print long }' american-english)
echo "result longest $value"
value=$(awk '{ n[length($0)]++ } END { for (l in n) print l, n[l] }' american-english | sort -n | md5sum)
echo "result lengths $value"
value=$(sort -r american-english | md5sum)
echo "result reverse $value"
cat $texts | tr -cs A-Za-z '\n' | tr A-Z a-z | grep . | sort | uniq -c | sort -k1,1nr -k2 > /tmp/used
value=$(count < /tmp/used)
sum=$(md5sum < /tmp/used)
echo "result used $value $sum"
head -n 3 /tmp/used | while read times word; do echo "result often $word $times"; done
value=$(awk 'NR == FNR { known[$0]; next } !($2 in known) { print $2 }' american-english /tmp/used | sort | md5sum)
echo "result unknown $value"
tar -cf - $texts | gzip > /tmp/texts.tar.gz
value=$(gunzip < /tmp/texts.tar.gz | tar -xOf - | md5sum)
echo "result packed $value"
for text in $texts; do grep -c the $text; done | awk '{ n += $1 } END { print "result the", n }'
