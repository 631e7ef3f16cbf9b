package help

import (
	"flag"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// testCommand has a flag of each kind.
func testCommand() *Command {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.Bool("once", false, "run once")
	fs.Duration("every", 5*time.Second, "run again after `TIME`")
	fs.String("token-file", "", "the token in `FILE`: it's [secret]")
	fs.String("spool", "", "packages arrive in `DIR`")
	fs.String("log-level", "info", "from `LEVEL` up")
	fs.String("state", "", "`NAME,...` only these")
	return &Command{
		Name: "momtest", Brief: "tests a command", Args: "[flags] [DIR ...]", Paths: true, Flags: fs,
		Groups: []Group{{"Runs", "once every spool"}, {"Other flags", "token-file log-level state"}},
		Values: map[string]string{"log-level": "debug info warn", "state": "Transferring Transferred JobCompleted"},
		Notes:  "\n-once ends it.\n", Exit: "\nExit codes: 0 good; 1 bad.\n",
		Examples:    "\nExamples:\n  momtest -once '*.tmp'   once\n  momtest \"a b\"\n",
		Description: "\n.momtest is a 'test'\\.\n\nIt has two paragraphs.\n",
		Environment: []Entry{{"MOM_TOKEN", "The token."}}, Files: []Entry{{"~/.momtest", "A file."}},
	}
}

// TestManual shows each part of the description of a command, in both programs that show
// manual pages, and without a warning of theirs.
func TestManual(t *testing.T) {
	var page strings.Builder
	testCommand().Answer(&page, question("man"))
	for name, args := range map[string][]string{"mandoc": {"-Tutf8", "-Werror"}, "groff": {"-man", "-Tascii", "-P-c", "-ww", "-rLL=300n"}} {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(name); err != nil {
				t.Skip(err)
			}
			cmd := exec.Command(name, args...)
			cmd.Stdin = strings.NewReader(page.String())
			var warnings strings.Builder
			cmd.Stderr = &warnings
			out, err := cmd.Output()
			if err != nil || warnings.Len() > 0 && name == "groff" {
				t.Errorf("%v: %s\n%s", err, &warnings, &page)
			}
			text := plain(string(out))
			for _, want := range []string{
				"momtest - tests a command", "momtest [flags] [DIR ...]", ".momtest is a 'test'\\.", "-token-file FILE", "the token in FILE: it's [secret]", "run again after TIME (default 5s)",
				"-once ends it.", "0 good; 1 bad.", "MOM_TOKEN", "~/.momtest", "Once:", "momtest -once '*.tmp'", `momtest "a b"`,
			} {
				if !strings.Contains(text, want) {
					t.Errorf("%s shows no %s in\n%s", name, want, text)
				}
			}
		})
	}
}

// plain removes the overstrikes of bold and underlined characters.
func plain(text string) string {
	for {
		at := strings.IndexByte(text, '\b')
		if at < 1 {
			return text
		}
		text = text[:at-1] + text[at+1:]
	}
}
