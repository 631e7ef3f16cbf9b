package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mom.internal/cmd/internal/clean"
	"mom.internal/wire"
)

// TestVersion prints the version on stdout, whatever other flags are given.
func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"-version"}, {"--version"}, {"-o", "none", "-version", "extra"}} {
		if code, out, errs := command(t, args...); code != exitOK || !strings.HasPrefix(out, "momclient mom.internal ") || strings.Count(out, "\n") != 1 || errs != "" {
			t.Errorf("%v: exit %d, %q, %q", args, code, out, errs)
		}
	}
}

// TestEscapedNames: -job and -stale take the name of a job in the form in which it is
// shown, and -job takes the name itself, too.
func TestEscapedNames(t *testing.T) {
	c, err := parseFlags([]string{"-job", `caf\xe9`, "-job", "na\xefve", "-job", `C:\new\x5cxff`, "-notify", "true", "-stale", `caf\xe9=1h`, "-stale", "na\xefve=1h"})
	if err != nil {
		t.Fatal(err)
	}
	sent, shown := c.jobs(), c.shownJobs()
	if !slices.Equal(sent.Names, []string{"caf\xe9", "na\xefve", `C:\new\xff`}) || !slices.Equal(shown.Names, []string{`caf\xe9`, `na\xefve`, `C:\new\x5cxff`}) {
		t.Errorf("%q, shown %q", sent.Names, shown.Names)
	}
	if n := c.notify.staleJobs; len(n) != 2 || n[`caf\xe9`] == 0 || n[`na\xefve`] == 0 {
		t.Errorf("-stale: %q", n)
	}
	if f := c.eventFilter(); !f.IsZero() {
		t.Errorf("%+v", f)
	}
}

// TestHostileFlags: an error is one line that cannot control a terminal, whatever it
// quotes.
func TestHostileFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	evil := "\x1b]0;title\a\n\u202e\xff"
	var tries [][]string
	flagSet(new(config)).VisitAll(func(f *flag.Flag) {
		tries = append(tries, []string{"-" + f.Name + "=" + evil, "-addr", "x"})
	})
	tries = append(tries, []string{"-" + evil}, []string{evil}, []string{"-addr", evil}, []string{"-token-file", evil}, []string{"-cursor", evil + "/x"}, []string{"-tls-ca", evil}, []string{"-tls-cert", evil, "-tls-key", evil},
		[]string{"-o", "runs", "-history", evil + "/x"}, []string{"-o", "text", "-history", evil + "/x"}, []string{"-notify", "@" + evil})
	for _, args := range tries {
		code, out, errs := command(t, args...)
		line, rest, _ := strings.Cut(strings.TrimSuffix(errs, "\n"), "\n")
		if code != exitUsage || out != "" || line != clean.Text(line) || rest != "" && rest != "momclient -h shows the flags." {
			t.Errorf("%q: exit %d, %q, %q", args, code, out, errs)
		}
	}
}

// TestBadFlags exits with 2 before momclient dials, and says which flag is
// wrong and what would be right.
func TestBadFlags(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want []string // in the message
	}{
		{[]string{"-nonsense"}, []string{"-nonsense", "not defined"}},
		{[]string{"-addr"}, []string{"-addr", "needs an argument", "want -addr HOST:PORT"}},
		{[]string{"-exit-when-done", "-wait", "5"}, []string{`"5"`, "want -wait TIME, as 250ms or 5s"}},
		{[]string{"site"}, []string{`unexpected argument "site"`}},
		{[]string{"-addr", "localhost"}, []string{`-addr "localhost"`, "want HOST:PORT, as 127.0.0.1:7420"}},
		{[]string{"-addr", ""}, []string{`-addr ""`, "want HOST:PORT"}},
		{[]string{"-addr", "localhost:"}, []string{`-addr "localhost:"`, "is no port"}},
		{[]string{"-addr", "localhost:99999"}, []string{"-addr", `"99999" is no port`}},
		{[]string{"-addr", "localhost:0"}, []string{"-addr", "port 0"}},
		{[]string{"-callback", "localhost"}, []string{`-callback "localhost"`, "want HOST:PORT"}},
		{[]string{"-callback", "localhost:x y"}, []string{"-callback", `"x y" is no port`}},
		{[]string{"-http", "8420"}, []string{`-http "8420"`, "want HOST:PORT or :PORT, as 127.0.0.1:8420"}},
		{[]string{"-name", "\xff"}, []string{"-name", "UTF-8"}},
		{[]string{"-name", strings.Repeat("n", wire.MaxNameBytes+1)}, []string{"-name has 129 bytes", "at most 128"}},
		{[]string{"-period", "0"}, []string{"-period 0s", "want a time over 0"}},
		{[]string{"-period", "often"}, []string{"-period", `"often"`}},
		{[]string{"-wait", "-1s"}, []string{"-wait -1s", "want a time over 0"}},
		{[]string{"-wait", "5s"}, []string{"-wait goes with -exit-when-done", "leave out -wait"}},
		{[]string{"-wait", "30s", "-exit-when-done=false"}, []string{"-wait goes with -exit-when-done"}},
		{[]string{"-wait", "5"}, []string{"-wait", `"5"`}},
		{[]string{"-exit-when-done=perhaps"}, []string{"-exit-when-done", `"perhaps"`}},
		{[]string{"-job", ""}, []string{"-job", "want the ID or the name of a job"}},
		{slices.Repeat([]string{"-job", "a"}, wire.MaxFilterItems+1), []string{"-job", "1025 names", "at most 1024"}},
		{[]string{"-state", ""}, []string{"-state", "want the name of a state"}},
		{[]string{"-state", "Transfered"}, []string{"-state", `no state has the name "Transfered"; the states are JobInitialized, PackageInitialized, Transferring, `}},
		{[]string{"-outcome", ","}, []string{"-outcome", "want the name of an outcome"}},
		{[]string{"-outcome", "failed,lost"}, []string{"-outcome", `no outcome has the name "lost"; the outcomes are Succeeded, SucceededWithErrors, Failed, Cancelled`}},
		{[]string{"-severity", "fatal"}, []string{"-severity", `"fatal"`, "want processing, warning or error"}},
		{[]string{"-from", "yesterday"}, []string{"-from", `"yesterday"`, "want now or oldest"}},
		{[]string{"-o", "xml"}, []string{`-o "xml"`, "want watch, text, json, cloudevents, runs or auto"}},
		{[]string{"-o", "watch"}, []string{"-o watch needs a terminal", "use -o text"}},
		{[]string{"-o", "runs"}, []string{"-o runs needs -history FILE"}},
		{[]string{"-o", "runs", "-history", "h", "-http", ":0"}, []string{"-o runs prints the history and ends", "leave out -http"}},
		{[]string{"-o", "runs", "-history", "h", "-exit-when-done"}, []string{"leave out -exit-when-done"}},
		{[]string{"-history", "same", "-cursor", "same"}, []string{"-history and -cursor name the same file"}},
		{[]string{"-since", "24h"}, []string{"-since goes with -o runs only", "leave out -since"}},
		{[]string{"-o", "runs", "-history", "h", "-since", "-1h"}, []string{"-since -1h", "want a time over 0"}},
		{[]string{"-notify", ""}, []string{"-notify", "want a URL, a command, or @FILE"}},
		{[]string{"-notify", "htps://secret"}, []string{"-notify", "want a URL of http or https, a command, or @FILE, and not htps://"}},
		{[]string{"-notify", "https://"}, []string{"-notify: the URL has no host"}},
		{[]string{"-notify", "no-such-command -x"}, []string{"-notify: the command no-such-command is not found"}},
		{[]string{"-notify", "true", "-notify", "true"}, []string{"-notify names command true twice", "leave one out"}},
		{[]string{"-notify", "true", "-notify-on", "failed,ended"}, []string{"-notify-on", `no kind has the name "ended"; the kinds are failed,recovered,completed,stale,stalled,lost`}},
		{[]string{"-notify", "true", "-notify-on", ","}, []string{"-notify-on", "want the name of a kind"}},
		{[]string{"-notify-on", "failed"}, []string{"-notify-on goes with -notify only", "leave out -notify-on"}},
		{[]string{"-notify-format", "text"}, []string{"-notify-format goes with -notify only"}},
		{[]string{"-notify", "true", "-notify-format", "xml"}, []string{"-notify-format", "want one of cloudevents, text, slack, ping"}},
		{[]string{"-notify", "a", "-notify", "b", "-notify", "c", "-notify-format", "text", "-notify-format", "slack"}, []string{"-notify-format is given 2 times, and -notify 3 times", "once for all, or once for each"}},
		{[]string{"-notify", "https://hc.example/x", "-notify-format", "ping"}, []string{"-notify-format ping is for one job", "name the job with -job"}},
		{[]string{"-stale", "1h"}, []string{"-stale goes with -notify only"}},
		{[]string{"-notify", "true", "-stale", "often"}, []string{"-stale", "want a time over 0, as 26h, or with a job, as"}},
		{[]string{"-notify", "true", "-stale", "site=0s"}, []string{"-stale", "want a time over 0"}},
		{[]string{"-notify", "true", "-stale", "=1h"}, []string{"-stale", "want a time over 0"}},
		{[]string{"-notify", "true", "-stalled", "0"}, []string{"-stalled", "want a time over 0, as 10m"}},
		{[]string{"-notify", "true", "-notify-on", "stale"}, []string{"-notify-on stale needs a time, as -stale 26h"}},
		{[]string{"-notify", "true", "-notify-on", "stalled"}, []string{"-notify-on stalled needs a time, as -stalled 10m"}},
		{[]string{"-notify", "true", "-notify-on", "failed", "-stale", "1h"}, []string{"-stale has no effect without stale in -notify-on"}},
		{[]string{"-notify", "true", "-notify-on", "failed", "-stalled", "1h"}, []string{"-stalled has no effect without stalled in -notify-on"}},
		{[]string{"-tls-cert", "junk"}, []string{"-tls-cert and -tls-key go together"}},
		{[]string{"-tls-key", "junk"}, []string{"-tls-cert and -tls-key go together"}},
	} {
		refuses(t, tc.args, append(tc.want, "\nmomclient -h shows the flags.\n"), "")
	}
}

// TestBadFiles exits with 2 before momclient dials, and says which file is
// wrong and what would be right. The flags are right, so the message does not
// mention -h.
func TestBadFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	os.Mkdir("dir", 0o755)
	os.WriteFile("junk", []byte("junk"), 0o600)
	for _, tc := range []struct {
		args []string
		want []string // in the message
	}{
		{[]string{"-cursor", "dir"}, []string{"-cursor: dir", "not a regular file"}},
		{[]string{"-cursor", "none/cursor"}, []string{"-cursor: none/cursor", "cannot be written", "no such file", "name a file"}},
		{[]string{"-cursor", "junk"}, []string{"-cursor: junk is damaged", "want EPOCH/SEQ", "left as it is", "remove it"}},
		{[]string{"-history", "dir"}, []string{"-history: dir is not a regular file"}},
		{[]string{"-history", "none/runs"}, []string{"-history: none/runs cannot be written", "name a file"}},
		{[]string{"-o", "runs", "-history", "missing"}, []string{"-history: ", "missing", "no such file"}},
		{[]string{"-notify", "@missing"}, []string{"-notify: open missing", "no such file"}},
		{[]string{"-token-file", "missing"}, []string{"-token-file", "missing", "no such file"}},
		{[]string{"-tls-ca", "missing"}, []string{"-tls-ca", "missing", "no such file"}},
		{[]string{"-tls-ca", "junk"}, []string{"-tls-ca", "no certificate in junk"}},
		{[]string{"-tls-cert", "junk", "-tls-key", "junk"}, []string{"-tls-cert", "PEM"}},
		{[]string{"-tls-cert", "missing", "-tls-key", "junk"}, []string{"-tls-cert", "missing"}},
	} {
		refuses(t, tc.args, tc.want, "-h shows")
	}
	if left, _ := filepath.Glob("*.tmp"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// refuses checks that the command exits with 2, and that its message has the
// words and not the word never.
func refuses(t *testing.T, args, words []string, never string) {
	t.Helper()
	code, out, errs := command(t, args...)
	if code != exitUsage || out != "" {
		t.Errorf("%v: exit %d, %q", args, code, out)
	}
	for _, want := range words {
		if !strings.Contains(errs, want) {
			t.Errorf("%v: no %q in %q", args, want, errs)
		}
	}
	if strings.Contains(errs, "wire:") || never != "" && strings.Contains(errs, never) {
		t.Errorf("%v: %q", args, errs)
	}
}

// TestFilterFlags accepts jobs by ID and name, and states and outcomes in every
// spelling.
func TestFilterFlags(t *testing.T) {
	id := jobID("site")
	c, err := parseFlags([]string{
		"-job", "site, to staging", "-job", id.String(), "-job", "docs", "-state", "transfering,JobCompleted", "-state", "MirroringJobCompleted",
		"-outcome", "failed, CANCELLED", "-outcome", "Failed", "-severity", "WARNING", "-from", "oldest",
	})
	if err != nil {
		t.Fatal(err)
	}
	f := &c.filter
	if len(f.Jobs) != 1 || f.Jobs[0] != id || !slices.Equal(f.Names, []string{"site, to staging", "docs"}) {
		t.Errorf("jobs %v, names %q", f.Jobs, f.Names)
	}
	if !slices.Equal(f.Outcomes, []wire.Outcome{wire.Failed, wire.Cancelled}) {
		t.Errorf("outcomes %v", f.Outcomes)
	}
	if !slices.Equal(f.States, []wire.State{wire.Transferring, wire.JobCompleted}) || f.Severity != wire.SeverityWarning || c.from != wire.FromOldest {
		t.Errorf("states %v, severity %v, from %v", f.States, f.Severity, c.from)
	}
}

// TestDefaultName is within the limit, whatever the name of the user.
func TestDefaultName(t *testing.T) {
	for _, user := range []string{"", "ann", strings.Repeat("å", 100), "\xff"} {
		t.Setenv("USER", user)
		if name := defaultName(); len(name) > wire.MaxNameBytes || !strings.Contains(name, "/") || !strings.Contains(name, "@") && len(user) < 50 {
			t.Errorf("%q: %d bytes %q", user, len(name), name)
		}
	}
}
