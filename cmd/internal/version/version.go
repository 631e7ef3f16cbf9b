// Package version prints the version of the module from which a command was
// built. Both commands use it.
package version

import (
	_ "embed"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
)

// module is the path of this module.
const module = "mom.internal"

// archived is the commit of a source that git archive has packed as a version for
// a module proxy. In a checkout it is a placeholder.
//
//go:embed commit.txt
var archived string

// Write writes what -version prints: the command, the module and its version,
// the commit, and the version of Go.
func Write(w io.Writer, command string) {
	fmt.Fprintln(w, line(command, build(), archived))
}

// Module returns the module and its version.
func Module() string { return module + " " + of(build()) }

func build() *debug.BuildInfo {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{GoVersion: runtime.Version()}
	}
	return info
}

// of returns the version of the module.
func of(info *debug.BuildInfo) string {
	version := info.Main.Version
	for _, dep := range info.Deps {
		if dep.Path == module {
			version = dep.Version
		}
	}
	if version == "" || version == "(devel)" {
		return "devel"
	}
	return version
}

// pseudo matches a version that the go command has made from a commit.
var pseudo = regexp.MustCompile(`[-.][0-9]{14}-([0-9a-f]{12})(?:\+|$)`)

func line(command string, info *debug.BuildInfo, archived string) string {
	version, commit, modified := of(info), "", ""
	if info.Main.Path == module { // otherwise the settings are those of the module in which the command was built
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value[:min(len(s.Value), 12)]
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = ", modified"
			}
		}
	}
	if m := pseudo.FindStringSubmatch(version); m != nil && commit == "" {
		commit = m[1]
	}
	if commit == "" && !strings.HasPrefix(archived, "$") {
		commit = archived[:min(len(archived), 12)]
	}
	if commit == "" {
		commit = "unknown"
	}
	return fmt.Sprintf("%s %s %s (commit %s%s) %s", command, module, version, commit, modified, info.GoVersion)
}
