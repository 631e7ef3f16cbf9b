package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestServers reads -addr and -servers. The flags apply to a line that has no option of
// the token or of TLS. Paths are relative to the directory of the file.
func TestServers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "servers")
	write(t, path, `# the fleet
site     mirror-a:7420                # says nothing
archive  10.0.0.7:7420  token-file=b.token tls-ca="my ca.pem"

"dmz"	[::1]:7420  tls tls-cert=/me.pem tls-key=/me.key
local    localhost:7420 token=off tls=off
`)
	c, err := parseFlags([]string{"-addr", "127.0.0.1:7420", "-servers", path, "-addr", ":7421", "-token-file", "a.token", "-tls-ca", "ca.pem"})
	if err != nil {
		t.Fatal(err)
	}
	flags := access{tokenFile: "a.token", tlsCA: "ca.pem"}
	want := []server{
		{"127.0.0.1:7420", "127.0.0.1:7420", flags}, {":7421", ":7421", flags},
		{"site", "mirror-a:7420", flags},
		{"archive", "10.0.0.7:7420", access{tokenFile: filepath.Join(dir, "b.token"), tlsCA: filepath.Join(dir, "my ca.pem")}},
		{"dmz", "[::1]:7420", access{tokenFile: "a.token", tls: true, tlsCert: "/me.pem", tlsKey: "/me.key"}},
		{"local", "localhost:7420", access{noToken: true}},
	}
	if !slices.Equal(c.servers, want) {
		t.Errorf("got\n%+v\nwant\n%+v", c.servers, want)
	}
	for name, now := range map[string]string{"site": "site", "mirror-a:7420": "site", "127.0.0.1:7420": "127.0.0.1:7420", "gone": "gone"} {
		if got := c.serverName(name); got != now {
			t.Errorf("%s is %s now, want %s", name, got, now)
		}
	}
	if c, err := parseFlags(nil); err != nil || len(c.servers) != 1 || c.servers[0].name != "127.0.0.1:7420" {
		t.Errorf("by default %+v, %v", c.servers, err)
	}
}

// TestNoToken sends no token to a server with token=off, not even that of MOM_TOKEN.
func TestNoToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "servers")
	write(t, path, "a a:1\nb b:1 token=off\n")
	m, err := newMonitor([]string{"-servers", path}, func(string) string { return "sesame" }, new(buffer), new(buffer))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := m.connections[0].Opts.Token, m.connections[1].Opts.Token; a != "sesame" || b != "" {
		t.Errorf("%q, %q", a, b)
	}
}

// TestBadServers exits with 2 and says what is wrong in which line.
func TestBadServers(t *testing.T) {
	t.Chdir(t.TempDir())
	for text, want := range map[string]string{
		"":                                    "servers names no server; want lines of NAME HOST:PORT",
		"# nothing\n":                         "names no server",
		"a a:1\nsite\n":                       "servers:2: want an address after the name, as site mirror.example:7420",
		"site mirror\n":                       `servers:1: the address "mirror": want HOST:PORT`,
		"site mirror:0\n":                     "no server listens at port 0",
		"a/b mirror:1\n":                      `servers:1: "a/b" is no name of a server`,
		"a\x1b mirror:1\n":                    `"a\x1b" is no name of a server`,
		strings.Repeat("n", 65) + " a:1\n":    "want up to 64 visible characters",
		"a a:1 tsl\n":                         `servers:1: "tsl" is no option; the options are token-file=FILE`,
		"a a:1 tls=on\n":                      `"tls=on" is no option`,
		"a a:1 token-file=\n":                 `"token-file=" is no option`,
		"a a:1 tls-cert=me.pem\n":             "servers:1: tls-cert and tls-key go together",
		"a \"a:1\n":                           `servers:1: a " is not closed`,
		"a a:1\na b:1\n":                      "two servers have the name a; name each server once",
		"a a:1\nb a:1\n":                      "the servers a and b have the same address a:1",
		"a a:1 token-file=none\n":             "the server a: -token-file: open none: no such file",
		"a a:1 tls-ca=none\n":                 "the server a: -tls-ca: open none: no such file",
		strings.Repeat("#", maxServersFile+1): "servers cannot be read",
	} {
		write(t, "servers", text)
		code, out, errs := command(t, "-servers", "servers")
		if code != exitUsage || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%.80q: exit %d, no %q in %q", text, code, want, errs)
		}
	}
	var many strings.Builder
	for n := range maxServers + 1 {
		fmt.Fprintf(&many, "s%d s%d:1\n", n, n)
	}
	write(t, "servers", many.String())
	if code, _, errs := command(t, "-servers", "servers"); code != exitUsage || !strings.Contains(errs, "101 servers; at most 100 are allowed") {
		t.Errorf("exit %d, %s", code, errs)
	}
	os.Remove("servers")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-servers", "servers"}, "-servers: open servers: no such file"},
		{[]string{"-addr", "a:1", "-addr", "a:1"}, "two servers have the name a:1"},
		{[]string{"-addr", "a:1", "-addr", "b:1", "-callback", "127.0.0.1:9"}, "-callback 127.0.0.1:9 is one port, and there are 2 servers; use port 0"},
		{[]string{"-addr", "a:1", "-addr", "b:1", "-job", "site", "-notify", "https://a", "-notify-format", "ping"}, "-notify-format ping is for one job of one server"},
	} {
		refuses(t, tc.args, []string{tc.want}, "")
	}
}
