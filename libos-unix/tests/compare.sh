# Each case runs here as it ran on Linux when this archive was made, with the same busybox; what it prints and its status are compared.
good=0 all=0
for script in /test/cases/*.sh; do
    name=${script%.sh}
    all=$((all + 1))
    mkdir /tmp/case
    cd /tmp/case
    cp $script case.sh
    { sh case.sh; echo "status $?"; } > /tmp/out 2>&1 < /dev/null
    cd /
    rm -rf /tmp/case
    if cmp -s /tmp/out $name.out; then
        good=$((good + 1))
    else
        echo "not ok ${name##*/}"
        diff $name.out /tmp/out | head -n 10
    fi
done
echo "$good of $all cases as on Linux"
[ $good = $all ]
