package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"mom.internal/wire/duplex"
)

// The bounds of the servers of a monitor.
const (
	maxServers     = 100
	maxServerName  = 64       // bytes of a name in the file of -servers
	maxServersFile = 64 << 10 // bytes of that file
)

// server is a server that the monitor watches, as -addr or -servers names it.
type server struct {
	name string // unique; the address, unless the file of -servers has a name
	addr string
	access
}

// access has what a server requires of its clients. Except noToken, each field has the
// value of the flag with its name.
type access struct {
	tokenFile              string
	noToken                bool // no token, not even that of MOM_TOKEN
	tls                    bool
	tlsCA, tlsCert, tlsKey string
}

// check refuses settings of TLS that do not go together.
func (a *access) check() error {
	if (a.tlsCert == "") != (a.tlsKey == "") {
		return errors.New("tls-cert and tls-key go together")
	}
	return nil
}

// readServers returns the servers in the file. defaults holds the access of servers
// whose lines have no options. Errors name the file and the line.
func readServers(path string, defaults access) ([]server, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []server
	lines := bufio.NewScanner(io.LimitReader(file, maxServersFile+1))
	size := 0
	for n := 1; lines.Scan(); n++ {
		if size += len(lines.Bytes()) + 1; size > maxServersFile+1 {
			return nil, fmt.Errorf("%s has over %d bytes", path, maxServersFile)
		}
		words, err := splitWords(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if len(words) == 0 {
			continue
		}
		s, err := parseServer(words, defaults, filepath.Dir(path))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		all = append(all, s)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s names no server; want lines of NAME HOST:PORT", path)
	}
	return all, nil
}

// splitWords splits a line at white space that is not within double quotes. A # that
// begins a word begins a comment.
func splitWords(line string) (words []string, err error) {
	var word strings.Builder
	quoted, begun := false, false
	for _, r := range line {
		switch {
		case r == '"':
			quoted, begun = !quoted, true
		case !quoted && unicode.IsSpace(r):
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		case r == '#' && !begun:
			return words, nil
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quoted {
		return nil, errors.New(`a " is not closed`)
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}

// parseServer returns the server of a line: NAME HOST:PORT OPTION... Paths are
// relative to the directory of the file.
func parseServer(words []string, defaults access, dir string) (server, error) {
	s := server{name: words[0], access: defaults}
	if err := checkServerName(s.name); err != nil {
		return s, err
	}
	if len(words) == 1 {
		return s, fmt.Errorf("want an address after the name, as %s mirror.example:7420", s.name)
	}
	s.addr = words[1]
	if err := checkServerAddr("the address", s.addr); err != nil {
		return s, err
	}
	ownTLS := false
	for _, word := range words[2:] {
		option, value, given := strings.Cut(word, "=")
		if strings.HasPrefix(option, "tls") && !ownTLS {
			ownTLS = true
			s.tls, s.tlsCA, s.tlsCert, s.tlsKey = false, "", "", ""
		}
		path := value
		if given && value != "" && !filepath.IsAbs(value) {
			path = filepath.Join(dir, value)
		}
		switch {
		case word == "tls":
			s.tls = true
		case word == "tls=off":
		case word == "token=off":
			s.tokenFile, s.noToken = "", true
		case option == "token-file" && value != "":
			s.tokenFile, s.noToken = path, false
		case option == "tls-ca" && value != "":
			s.tlsCA = path
		case option == "tls-cert" && value != "":
			s.tlsCert = path
		case option == "tls-key" && value != "":
			s.tlsKey = path
		default:
			return s, fmt.Errorf("%q is no option; the options are token-file=FILE, token=off, tls, tls=off, tls-ca=FILE, tls-cert=FILE and tls-key=FILE", duplex.Clip(word, 64))
		}
	}
	return s, s.check()
}

// checkServerName refuses names that would be hard to read or to type. A slash
// separates a server from a job in -stale.
func checkServerName(name string) error {
	bad := func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' || r == '/' || r == utf8.RuneError }
	if name == "" || len(name) > maxServerName || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("%q is no name of a server; want up to %d visible characters, without a slash", duplex.Clip(name, 64), maxServerName)
	}
	return nil
}

// checkServerAddr checks the address of a server, which errors call what.
func checkServerAddr(what, addr string) error {
	if err := checkAddr(what, addr); err != nil {
		return err
	}
	if strings.HasSuffix(addr, ":0") {
		return usagef("%s %q: no server listens at port 0", what, addr)
	}
	return nil
}

// findServers sets the servers from -addr and -servers.
func (c *config) findServers() error {
	flags := access{c.tokenFile, false, c.tls, c.tlsCA, c.tlsCert, c.tlsKey}
	addrs := c.addrs
	if len(addrs) == 0 && c.serversFile == "" {
		addrs = []string{defaultAddr}
	}
	for _, addr := range addrs {
		c.servers = append(c.servers, server{name: addr, addr: addr, access: flags})
	}
	if c.serversFile != "" {
		named, err := readServers(c.serversFile, flags)
		if err != nil {
			return fmt.Errorf("-servers: %w", err)
		}
		c.servers = append(c.servers, named...)
	}
	for i, s := range c.servers {
		for _, other := range c.servers[:i] {
			if s.name == other.name {
				return usagef("two servers have the name %s; name each server once", s.name)
			}
			if s.addr == other.addr {
				return usagef("the servers %s and %s have the same address %s; name each server once", other.name, s.name, s.addr)
			}
		}
	}
	if len(c.servers) > maxServers {
		return usagef("%d servers; at most %d are allowed", len(c.servers), maxServers)
	}
	return c.checkServers()
}

// checkServers refuses flags that do not go with several servers.
func (c *config) checkServers() error {
	if len(c.servers) == 1 {
		return nil
	}
	if c.callback != "" && !strings.HasSuffix(c.callback, ":0") {
		return usagef("-callback %s is one port, and there are %d servers; use port 0", c.callback, len(c.servers))
	}
	for i := range c.notify.to {
		if c.notify.format(i) == "ping" {
			return usagef("-notify-format ping is for one job of one server, because its URL stands for one check; start a monitor for each")
		}
	}
	return nil
}

// serverName returns the present name of a server that has the given name in the files
// of an earlier monitor: that name may be the address of a server that has a name now.
func (c *config) serverName(name string) string {
	for _, s := range c.servers {
		if s.name == name {
			return name
		}
	}
	for _, s := range c.servers {
		if s.addr == name {
			return s.name
		}
	}
	return name
}
