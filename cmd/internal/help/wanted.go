package help

import (
	"flag"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// named finds the flag in an error of package flag.
var named = regexp.MustCompile(`.* -([a-z-]+)(?::|$)`)

// Wanted returns what follows an error of fs.Parse: the form of the flag that err
// names. It returns "" if err names no flag, or if the flag's own error has the form.
func Wanted(fs *flag.FlagSet, err error) string {
	m := named.FindStringSubmatch(err.Error())
	if m == nil || fs.Lookup(m[1]) == nil {
		return ""
	}
	f := fs.Lookup(m[1])
	arg, _ := flag.UnquoteUsage(f)
	var value any
	if g, is := f.Value.(flag.Getter); is {
		value = g.Get()
	}
	switch value.(type) {
	case bool:
		return fmt.Sprintf("; want -%s, or -%s=false", f.Name, f.Name)
	case time.Duration:
		return fmt.Sprintf("; want -%s %s, as 250ms or 5s", f.Name, arg)
	case int, int64:
		return fmt.Sprintf("; want -%s %s, a whole number", f.Name, arg)
	}
	if strings.HasPrefix(err.Error(), "flag needs an argument") {
		return fmt.Sprintf("; want -%s %s", f.Name, arg)
	}
	return ""
}
