//go:build unix

package e2e

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNames mirrors a directory and files whose names are not UTF-8, and looks for
// the one form of these names in all that the two commands print, store, send and
// serve. The flag -job takes this form.
func TestNames(t *testing.T) {
	t.Chdir(t.TempDir())
	const job, item, like = `\xff\xfe to D`, `caf\xe9`, `caf\x5cxe9`
	for _, path := range []string{"\xff\xfe/caf\xe9", "\xff\xfe/" + item, "D/caf\xe9/in the way", "D/" + item + "/in the way"} {
		os.MkdirAll(filepath.Dir(path), 0o777)
		if err := os.WriteFile(path, []byte(path), 0o666); err != nil {
			t.Skip("the file system refuses such names:", err)
		}
	}
	srv := start(t, "momserver", "-addr", "127.0.0.1:0", "-wait", "1", "-every", "1h", "-continue-on-error", "-log-format", "json", "-debug", "127.0.0.1:0", "\xff\xfe", "D")
	addr := strings.TrimSuffix(srv.word(`"listening","requires":"nothing","addr":"`), `"}`)
	monitor := start(t, "momclient", "-addr", addr, "-from", "now", "-o", "json", "-http", "127.0.0.1:0", "-cursor", "cursor", "-history", "history",
		"-notify", `cat > message; printf '%s\n%s\n' "$MOM_JOB" "$MOM_WHY" > variables`, "-notify-on", "failed")
	srv.says(`"mirrored with errors"`)
	content := func(name string) string {
		text, _ := os.ReadFile(name)
		return string(text)
	}
	monitor.eventually("a message", func() bool { return strings.Count(content("variables"), "\n") == 2 })
	monitor.eventually("the end of the run", func() bool { return strings.Contains(monitor.stdout.String(), `"final"`) })

	again := func(args ...string) string {
		t.Helper()
		m := start(t, "momclient", append([]string{"-addr", addr, "-from", "oldest", "-exit-when-done"}, args...)...)
		m.exits(1)
		return m.stdout.String() + m.stderr.String()
	}
	get := func(page, path string) string {
		t.Helper()
		resp, err := http.Get(page + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return string(text)
	}
	page := pageOf(monitor)
	debugPage := strings.TrimSuffix(srv.word(`"debug pages","url":"`), `"}`)
	runs := start(t, "momclient", "-o", "runs", "-history", "history", "-job", job)
	runs.exits(0)
	escaped := func(name string) string { return strings.ReplaceAll(name, `\`, `\\`) }
	for _, tc := range []struct {
		name, text string
		want       []string
	}{
		{"-o json", monitor.stdout.String(), []string{escaped(job), escaped(item), escaped(like)}},
		{"the log", srv.stderr.String(), []string{escaped(job), escaped(item), escaped(like)}},
		{"the history", content("history"), []string{escaped(job), escaped(like)}},
		{"the state", content("cursor.state"), []string{escaped(job)}},
		{"the message", content("message"), []string{escaped(job), escaped(like)}},
		{"the variables", content("variables"), []string{job + "\n", like}},
		{"-o text", again("-o", "text"), []string{job, item, like}},
		{"-o cloudevents", again("-o", "cloudevents", "-job", job, "-history", "of one job"), []string{escaped(job), escaped(item), escaped(like)}},
		{"-history with -job", content("of one job"), []string{escaped(job)}},
		{"-job as it is", again("-o", "text", "-job", "\xff\xfe to D"), []string{job}},
		{"-o runs", runs.stdout.String(), []string{job, like}},
		{"/api/jobs", get(page, "api/jobs"), []string{escaped(job), escaped(item), escaped(like)}},
		{"/api/events", get(page, "api/events"), []string{escaped(job), escaped(item), escaped(like)}},
		{"/api/live", get(page, "api/live?once"), []string{escaped(job), escaped(item), escaped(like)}},
		{"/api/runs", get(page, "api/runs?job="+url.QueryEscape(job)), []string{escaped(job), escaped(like)}},
		{"/metrics of the monitor", get(page, "metrics"), []string{escaped(job)}},
		{"/metrics of the server", get(debugPage, "metrics"), []string{escaped(job)}},
		{"/debug/vars", get(debugPage, "debug/vars"), []string{escaped(`\xff\xfe`)}},
	} {
		for _, want := range tc.want {
			if !strings.Contains(tc.text, want) {
				t.Errorf("%s has no %s:\n%s", tc.name, want, tail(tc.text))
			}
		}
		if strings.Contains(tc.text, "ufffd") || strings.Contains(tc.text, "\ufffd") || strings.Contains(tc.text, "\xff") {
			t.Errorf("%s has a name in another form:\n%s", tc.name, tail(tc.text))
		}
	}
}
