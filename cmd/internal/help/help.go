// Package help prints the flags of a command for -h. Both commands use it.
package help

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Group has the names of some flags, separated by spaces, in the order in which
// -h shows them.
type Group struct{ Title, Flags string }

// Write writes the flags, one on a line, and those that are in no group at the
// end.
func Write(w io.Writer, fs *flag.FlagSet, groups []Group) {
	other := Group{Title: "Other"}
	fs.VisitAll(func(f *flag.Flag) {
		for _, g := range groups {
			if strings.Contains(" "+g.Flags+" ", " "+f.Name+" ") {
				return
			}
		}
		other.Flags += f.Name + " "
	})
	for _, g := range append(slices.Clip(groups), other) {
		if g.Flags != "" {
			fmt.Fprintf(w, "%s:\n", g.Title)
		}
		for _, name := range strings.Fields(g.Flags) {
			writeFlag(w, fs.Lookup(name))
		}
	}
}

// writeFlag writes the flag with its placeholder, its usage and its default. A
// usage may begin with the placeholder, which is then not repeated.
func writeFlag(w io.Writer, f *flag.Flag) {
	arg, usage := flag.UnquoteUsage(f)
	usage = strings.TrimSpace(strings.TrimPrefix(usage, arg))
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
		usage += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	fmt.Fprintf(w, "  %-21s %s\n", strings.TrimSpace("-"+f.Name+" "+arg), usage)
}
