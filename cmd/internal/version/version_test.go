package version

import (
	"runtime/debug"
	"testing"
)

// TestLine prints the version and the commit that the go command has recorded,
// for an installed version, a checkout and a dependency.
func TestLine(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	for _, tc := range []struct {
		main     debug.Module
		deps     []*debug.Module
		settings []debug.BuildSetting
		want     string
	}{
		{debug.Module{Path: module, Version: "v1.2.3"}, nil, nil, "v1.2.3 (commit unknown)"},
		{debug.Module{Path: module, Version: "v1.2.4-0.20261126180000-0123456789ab"}, nil, nil, "v1.2.4-0.20261126180000-0123456789ab (commit 0123456789ab)"},
		{debug.Module{Path: module, Version: "v0.0.0-20261126180000-0123456789ab+dirty"}, nil, nil, "v0.0.0-20261126180000-0123456789ab+dirty (commit 0123456789ab)"},
		{debug.Module{Path: module, Version: "v1.2.3"}, nil, []debug.BuildSetting{setting("vcs.revision", commit), setting("vcs.modified", "false")}, "v1.2.3 (commit 0123456789ab)"},
		{debug.Module{Path: module, Version: "(devel)"}, nil, []debug.BuildSetting{setting("vcs.revision", commit), setting("vcs.modified", "true")}, "devel (commit 0123456789ab, modified)"},
		{debug.Module{Path: module, Version: "(devel)"}, nil, nil, "devel (commit unknown)"},
		{debug.Module{}, nil, nil, "devel (commit unknown)"},
		{debug.Module{Path: "example.com/site", Version: "v9.9.9"}, []*debug.Module{{Path: "example.com/other", Version: "v8.8.8"}, {Path: module, Version: "v1.2.3"}}, []debug.BuildSetting{setting("vcs.revision", commit), setting("vcs.modified", "true")}, "v1.2.3 (commit unknown)"},
	} {
		info := &debug.BuildInfo{GoVersion: "go1.26.8", Main: tc.main, Deps: tc.deps, Settings: tc.settings}
		if got, want := line("momserver", info, "$Format:%H$\n"), "momserver mom.internal "+tc.want+" go1.26.8"; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	packed := &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Path: module, Version: "v1.2.3"}}
	if got, want := line("momserver", packed, commit+"\n"), "momserver mom.internal v1.2.3 (commit 0123456789ab) go1.26.8"; got != want {
		t.Errorf("packed: %s\nwant %s", got, want)
	}
}
