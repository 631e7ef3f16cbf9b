// Package help makes, from the flags of a command, the text of -h, the manual page, the
// completion for shells, and what an error says about the right form of a flag. Both
// commands use it.
package help

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Command describes a command.
type Command struct {
	Name  string
	Brief string // what it does, as a line after the name
	Args  string // what may follow the name on a command line
	Note  string // about Args, for -h
	Paths bool   // the arguments after the flags are directories

	Flags  *flag.FlagSet
	Groups []Group
	// Values has the possible values of flags, separated by spaces. If the
	// placeholder of the flag ends in ",...", the flag takes several of them.
	Values map[string]string

	// Notes and Exit are paragraphs. Each line of Examples is a command line and, after
	// three spaces, what it does. All three are as -h prints them, with their titles.
	Notes, Exit, Examples string

	// Description, Environment and Files are only in the manual page.
	Description        string
	Environment, Files []Entry
}

// Group has the names of some flags, separated by spaces, in the order in which
// -h shows them.
type Group struct{ Title, Flags string }

// Entry is a name with what it means.
type Entry struct{ Name, Text string }

// Write writes what -h prints.
func (c *Command) Write(w io.Writer) {
	fmt.Fprintf(w, "%s %s.\n\n%s\n\n", c.Name, c.Brief, strings.TrimSpace("Usage: "+c.Name+" "+c.Args+"  "+c.Note))
	for _, g := range c.groups() {
		fmt.Fprintf(w, "%s:\n", g.Title)
		for _, name := range strings.Fields(g.Flags) {
			f := c.look(name)
			fmt.Fprintf(w, "  %-21s %s\n", strings.TrimSpace("-"+f.name+" "+f.arg), f.usage)
		}
	}
	fmt.Fprint(w, c.Notes, c.Exit, c.Examples)
}

// groups returns the groups and, if some flags are in none, a group of these.
func (c *Command) groups() []Group {
	other := Group{Title: "Other"}
	c.Flags.VisitAll(func(f *flag.Flag) {
		for _, g := range c.Groups {
			if strings.Contains(" "+g.Flags+" ", " "+f.Name+" ") {
				return
			}
		}
		other.Flags += f.Name + " "
	})
	if other.Flags == "" {
		return c.Groups
	}
	return append(slices.Clip(c.Groups), other)
}

// flagText is a flag as it is shown.
type flagText struct{ name, arg, usage string }

// look returns the flag with its placeholder, which is "" for a bool, and with its
// default. A usage may begin with the placeholder, which is then not repeated.
func (c *Command) look(name string) flagText {
	f := c.Flags.Lookup(name)
	arg, usage := flag.UnquoteUsage(f)
	usage = strings.TrimSpace(strings.TrimPrefix(usage, arg))
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
		usage += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	return flagText{name, arg, usage}
}
