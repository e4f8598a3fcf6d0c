# Run every case in a folder of its own; what it prints and its status come out in base64, so that no console can change them.
for script in /test/cases/*.sh; do
    name=${script##*/}
    mkdir /tmp/case
    cd /tmp/case
    cp $script case.sh
    { sh case.sh; echo "status $?"; } > /tmp/out 2>&1 < /dev/null
    cd /
    rm -rf /tmp/case
    echo "case ${name%.sh}"
    base64 /tmp/out
    echo "end ${name%.sh}"
done
