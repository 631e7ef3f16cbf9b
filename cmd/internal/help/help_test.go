package help

import (
	"flag"
	"strings"
	"testing"
	"time"
)

// TestWrite shows each flag once, with its default, in its group or at the end.
func TestWrite(t *testing.T) {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.String("addr", "127.0.0.1:7420", "`HOST:PORT` the server")
	fs.Duration("every", 5*time.Second, "run again after a pause of `TIME`")
	fs.Int("wait", 0, "begin when `N` subscribers are there")
	fs.Bool("once", false, "run once")
	fs.String("token-file", "", "`FILE` holds the token")
	var out strings.Builder
	c := Command{Name: "momtest", Brief: "tests", Args: "[flags]", Note: "(nothing)", Flags: fs, Groups: []Group{{"Server", "addr token-file"}, {"Runs", "once every"}}, Exit: "\nExit codes: 0.\n", Examples: "\nExamples:\n  momtest\n"}
	c.Write(&out)
	const want = `momtest tests.

Usage: momtest [flags]  (nothing)

Server:
  -addr HOST:PORT       the server (default 127.0.0.1:7420)
  -token-file FILE      holds the token
Runs:
  -once                 run once
  -every TIME           run again after a pause of TIME (default 5s)
Other:
  -wait N               begin when N subscribers are there

Exit codes: 0.

Examples:
  momtest
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}
