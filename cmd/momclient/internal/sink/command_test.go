//go:build unix

package sink

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCommand gives the message on stdin and in variables, and nothing of the
// monitor's own.
func TestCommand(t *testing.T) {
	t.Setenv("MOM_TOKEN", "secret")
	dir := t.TempDir()
	a := failure()
	a.Job, a.Time, a.Since = "site\x00\n", a.Time.Add(1), a.Since.Add(2)
	if err := newSink(t, "cat >'"+dir+"/stdin'; env >'"+dir+"/env'", "cloudevents").Deliver(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "stdin"))
	var e struct {
		Type string
		Data struct{ Text string }
	}
	if err == nil {
		err = json.Unmarshal(text, &e)
	}
	if err != nil || e.Type != "mom.alert.failed" || e.Data.Text != a.Text {
		t.Errorf("stdin %s: %v", text, err)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil || strings.Contains(string(env), "secret") || !strings.Contains(string(env), "PATH=") {
		t.Errorf("%v: %s", err, env)
	}
	for _, want := range []string{
		"MOM_ID=" + id("alert").String(), "MOM_KIND=failed", "MOM_TEXT=" + a.Text, "MOM_TIME=2026-11-26T22:00:00.000000001Z", "MOM_SERVER=S:7420", `MOM_JOB=site\x00\n`,
		"MOM_JOB_ID=" + id("site").String(), "MOM_RUN_ID=" + id("run").String(), "MOM_OUTCOME=Failed", "MOM_WHY=no space left on device", "MOM_SINCE=2026-11-26T22:00:00.000000002Z", "MOM_COUNT=3",
	} {
		if !strings.Contains("\n"+string(env), "\n"+want+"\n") {
			t.Errorf("no %s in %s", want, env)
		}
	}
}

// TestCommandResult takes exit code 0 as success, whether or not the command reads
// its stdin or leaves a process behind.
func TestCommandResult(t *testing.T) {
	for command, want := range map[string]string{
		"true":                                  "",
		"exec <&-; exit 0":                      "",
		"sleep 60 & exit 0":                     "",
		"exit 3":                                "it ends with exit status 3",
		"echo first >&2; echo last >&2; exit 1": "it ends with exit status 1: last",
		"true; no-such-command-here":            "it ends with exit status 127: ",
	} {
		err := newSink(t, command, "cloudevents").Deliver(t.Context(), failure())
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", command, err, want)
		}
	}
}

// TestCommandHangs kills a command, with its children, when its time is over.
func TestCommandHangs(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := newSink(t, "sleep 600 | sleep 600", "cloudevents").Deliver(ctx, failure()); err == nil || !strings.Contains(err.Error(), "it has not ended within") {
		t.Errorf("%v", err)
	}
}
