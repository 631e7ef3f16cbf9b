package help

import (
	"errors"
	"flag"
	"io"
	"testing"
)

// TestWanted adds the right form to an error of each kind of flag.
func TestWanted(t *testing.T) {
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Bool("once", false, "")
	fs.Duration("wait", 0, "`TIME`")
	fs.Int("n", 0, "at most `N`")
	fs.Int64("big", 0, "`N`")
	fs.String("token-file", "", "`FILE`")
	fs.Func("job", "`NAME`", func(string) error { return errors.New("want a name") })
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-once=maybe"}, "; want -once, or -once=false"},
		{[]string{"-wait", "5"}, "; want -wait TIME, as 250ms or 5s"},
		{[]string{"-wait"}, "; want -wait TIME, as 250ms or 5s"},
		{[]string{"-n", "x -once"}, "; want -n N, a whole number"},
		{[]string{"-big", "1e3"}, "; want -big N, a whole number"},
		{[]string{"-token-file"}, "; want -token-file FILE"},
		{[]string{"-job"}, "; want -job NAME"},
		{[]string{"-job", ""}, ""},
		{[]string{"-none"}, ""},
		{[]string{"-Once"}, ""},
	} {
		err := fs.Parse(tc.args)
		if err == nil {
			t.Errorf("%q: no error", tc.args)
		} else if got := Wanted(fs, err); got != tc.want {
			t.Errorf("%q: %v%s; want %s", tc.args, err, got, tc.want)
		}
	}
}
