# Compares the results of a suite with the failures that are listed: client, presets, test, reason, separated by tabs.

function is_ours(presets,    i, n, names) {
    n = split(presets, names, " ")
    for (i = 1; i <= n; i++) if (names[i] == preset || names[i] == "*") return 1
    return 0
}

FNR == NR {
    if ($1 == client && is_ours($2)) reason[$3] = $4
    next
}

{
    test = $0
    sub(/^[a-z]+ /, "", test)
    if (/^passed /) {
        passed++
        if (test in reason) wrong[++wrongs] = test ": it passes, and is listed as a failure"
    } else if (/^failed /) {
        failed++
        why = test
        sub(/: .*/, "", test)
        if (test in reason) { judged++; told[judged] = test ": " reason[test] }
        else wrong[++wrongs] = why
    } else wrong[++wrongs] = "not understood: " $0
}

END {
    if (passed + failed != expected) wrong[++wrongs] = passed + failed " results of " expected " tests"
    printf "%-12s %-14s %6d %6d %6d\n", client, preset, passed, failed, judged
    for (i = 1; i <= judged; i++) print "    judged: " told[i]
    for (i = 1; i <= wrongs; i++) print "    WRONG: " wrong[i]
    exit wrongs > 0
}
