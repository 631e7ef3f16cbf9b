package help

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

// completed is a flag, and how to complete its value.
type completed struct {
	flagText
	kind   valueKind
	values string // of the kinds word and list, separated by spaces
}

// valueKind is a kind of value of a flag.
type valueKind int

const (
	noValue   valueKind = iota // the flag is a bool
	anyValue                   // nothing completes it
	file                       // a file
	directory                  // a directory
	word                       // one of some words
	list                       // some words, separated by commas
)

// completions returns all flags. How to complete the value of one follows from its
// placeholder and from c.Values.
func (c *Command) completions() (all []completed) {
	c.Flags.VisitAll(func(f *flag.Flag) {
		t := completed{flagText: c.look(f.Name), kind: anyValue, values: c.Values[f.Name]}
		switch {
		case t.arg == "":
			t.kind = noValue
		case t.values != "" && strings.HasSuffix(t.arg, ",..."):
			t.kind = list
		case t.values != "":
			t.kind = word
		case t.arg == "FILE":
			t.kind = file
		case t.arg == "DIR":
			t.kind = directory
		}
		all = append(all, t)
	})
	return all
}

// writeCompletion writes the completion for the shell.
func (c *Command) writeCompletion(w io.Writer, shell string) {
	switch shell {
	case "bash":
		c.writeBash(w)
	case "zsh":
		c.writeZsh(w)
	case "fish":
		c.writeFish(w)
	}
}

// writeBash writes a function for bash 3.2 or later. bash before version 4 has no
// compopt, so that files are not completed there.
func (c *Command) writeBash(w io.Writer) {
	fmt.Fprintf(w, `# Completion of %[1]s for bash. In ~/.bashrc:  source <(%[1]s -completion bash)
_%[1]s() {
	local current=${COMP_WORDS[COMP_CWORD]} flag= words= head= word
	COMPREPLY=()
	if ((COMP_CWORD > 0)); then flag=${COMP_WORDS[COMP_CWORD - 1]}; fi
	if [[ $current == = ]]; then # bash makes three words of -flag=value
		current=
	elif [[ $flag == = ]]; then
		flag=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	case ${flag/#--/-} in
`, c.Name)
	var names []string
	for _, f := range c.completions() {
		names = append(names, "-"+f.name)
		does := ""
		switch f.kind {
		case noValue:
			continue
		case anyValue:
			does = "return"
		case file:
			does = "compopt -o default 2>/dev/null; return"
		case directory:
			does = "compopt -o dirnames 2>/dev/null; return"
		case word:
			does = fmt.Sprintf("words='%s'", f.values)
		case list:
			does = fmt.Sprintf("words='%s'; if [[ $current == *,* ]]; then head=${current%%,*},; fi; compopt -o nospace 2>/dev/null", f.values)
		}
		fmt.Fprintf(w, "	-%s) %s ;;\n", f.name, does)
	}
	paths := "return"
	if c.Paths {
		paths = "compopt -o dirnames 2>/dev/null; return"
	}
	fmt.Fprintf(w, `	*)
		if [[ $current != -* ]]; then
			%[2]s
		fi
		words='%[3]s'
		;;
	esac
	for word in $words; do
		if [[ $head$word == "$current"* ]]; then COMPREPLY+=("$head$word"); fi
	done
}
complete -F _%[1]s %[1]s
`, c.Name, paths, strings.Join(names, " "))
}

// writeZsh writes a function for zsh, either for a file in a directory of $fpath or for
// the command source.
func (c *Command) writeZsh(w io.Writer) {
	fmt.Fprintf(w, `#compdef %[1]s
# Completion of %[1]s for zsh. In ~/.zshrc, after compinit:  source <(%[1]s -completion zsh)
_%[1]s() {
	_arguments \
`, c.Name)
	for _, f := range c.completions() {
		spec := "*-" + f.name
		if f.kind != noValue {
			spec += "="
		}
		spec += "[" + zshEscaper.Replace(f.usage) + "]"
		if f.kind != noValue {
			spec += ":" + zshEscaper.Replace(f.arg) + ":"
		}
		switch f.kind {
		case file:
			spec += "_files"
		case directory:
			spec += "_directories"
		case word:
			spec += "(" + f.values + ")"
		case list:
			spec += "_sequence compadd - " + f.values
		}
		fmt.Fprintf(w, "\t\t%s \\\n", quoteShell(spec))
	}
	rest := "*: :"
	if c.Paths {
		rest = "*:directory:_directories"
	}
	fmt.Fprintf(w, `		'%[2]s'
}
if [[ $funcstack[1] == _%[1]s ]]; then _%[1]s "$@"; else compdef _%[1]s %[1]s; fi
`, c.Name, rest)
}

// zshEscaper escapes the characters that have a meaning in a specification of
// _arguments.
var zshEscaper = strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`)

// quoteShell quotes a word for bash and zsh.
func quoteShell(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// writeFish writes commands for fish.
func (c *Command) writeFish(w io.Writer) {
	fmt.Fprintf(w, `# Completion of %[1]s for fish. In ~/.config/fish/config.fish:  %[1]s -completion fish | source
complete -c %[1]s -f
`, c.Name)
	if c.Paths {
		fmt.Fprintf(w, "complete -c %s -a '(__fish_complete_directories)'\n", c.Name)
	}
	for _, f := range c.completions() {
		takes := map[valueKind]string{
			noValue: "", anyValue: " -x", file: " -r -F", directory: " -x -a '(__fish_complete_directories)'", word: " -x -a " + quoteFish(f.values), list: " -x -a " + quoteFish("(__fish_append , "+f.values+")"),
		}[f.kind]
		fmt.Fprintf(w, "complete -c %s -o %s%s -d %s\n", c.Name, f.name, takes, quoteFish(f.usage))
	}
}

// quoteFish quotes a word for fish.
func quoteFish(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}
