package exclude

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// patterns are files of patterns, with paths that they exclude and paths that
// they do not. A path with a slash at its end is a directory.
var patterns = []struct{ file, excluded, kept string }{
	{"", "", "a a/ #"},
	{"# a comment\n\n   \n*.tmp", "x.tmp .tmp d/e/x.tmp x.tmp/ x.tmp/inside", "xtmp x.tmp.gz #"},
	{"hello.*", "hello.txt hello. d/hello.c", "hello othello.txt"},
	{"/hello.*", "hello.txt", "d/hello.txt"},
	{"cache/", "cache/ d/cache/ cache/f", "cache d/cache"},
	{"doc/frotz", "doc/frotz doc/frotz/ doc/frotz/x", "frotz a/doc/frotz"},
	{"doc/frotz/", "doc/frotz/ doc/frotz/x", "doc/frotz a/doc/frotz/"},
	{"frotz/", "frotz/ a/frotz/", "frotz"},
	{"foo/*", "foo/test.json foo/bar/ foo/bar/hello.c", "foo/ foo a/foo/x"},
	{"**/foo", "foo a/foo a/b/foo/", "xfoo a/foox"},
	{"**/foo/bar", "foo/bar a/foo/bar", "foo/x/bar bar"},
	{"abc/**", "abc/x abc/x/ abc/x/y", "abc abc/ x/abc/y"},
	{"a/**/b", "a/b a/x/b a/x/y/b", "ab a/bb x/a/b"},
	{"a/**/b/**/c", "a/b/c a/x/b/y/z/c a/b/b/c/c", "a/c a/b a/x/c"},
	{"a/**/**/b", "a/b a/x/b", "a"},
	{"a**b", "ab axb d/axxb", "a/b a/x/b"},
	{"x/a**b", "x/ab x/axxb", "x/a/b"},
	{"x/***/b", "x/b x/a/a/b", "b"},
	{"**", "a a/ a/b", ""},
	{"/**", "a a/b", ""},
	{"**/", "a/ a/b b/a/", "a"},
	{"/*", "a a/ a/b", ""},
	{"a/*/b", "a/x/b", "a/b a/x/y/b"},
	{"?", "a é d/x 漢", "ab éé"},
	{"a?b", "axb aéb", "ab a/b axxb"},
	{"a/?b", "a/xb", "a/b a//b"},
	{"[a-c]x", "ax cx", "dx x bcx"},
	{"[!a-c]x\n[^d]y", "dx éx ay", "ax dy"},
	{"a[!b]c/d", "axc/d", "a/c/d abc/d"},
	{"[]x] \n[!]]y\n[a-]-\n[-a]+\n[\\]b]!", "] x xy a- -- -+ a+ ]! b!", "]y b- b+ \\! ]]"},
	{"[a-c-e]", "a b c - e", "d"},
	{"[[:]", "[ :", "a"},
	{"[åä]", "å ä", "ö \xc3"},
	{"*\n!*.c\n!d/", "x d/x", "x.c d/ d/x.c"}, // d is included again, and what is below it is looked at again
	{"d\n!d/x", "d/ d/x", ""},                 // d/x is below an excluded directory
	{"/*\n!/foo\n/foo/*\n!/foo/bar", "x foo/x y/", "foo/ foo/bar foo/bar/x"},
	{"!a\na", "a", ""},
	{`\#x`, "#x", "x"},
	{`\!x`, "!x", "x"},
	{`\*`, "*", "a"},
	{`a\?`, "a?", "ab"},
	{`\a`, "a", `\a`},
	{`a\\`, `a\`, "a"},
	{"a  ", "a", ""},
	{"\u00a0", "\u00a0", ""},
	{"a\r\nb\r\n", "a b", ""},
	{"\ufeffa", "a", ""},
	{"*a*b*", "ab xaxbx ba.ab", "ba a b"},
	{"*aab", "aab aaab aaaab", "ab aaba"},
	{"*\xc3*", "\xc3 x\xc3", "é x"}, // half a character matches no whole one
	{"*\xa9", "\xa9 x\xa9", "é"},
	{"\xff?", "\xffx \xffé \xff\xfe", "\xff \xfex \xffxx"},
	{"[\xf0-\xff]", "\xf0 \xff", "a é \xef"},
	{"*.é", "x.é", "x.e .\xc3"},
	{"lost+found/", "lost+found/", "lost+found"},
}

// excluded walks from the top down to the path.
func excluded(s *Set, path string) bool {
	path, dir := strings.CutSuffix(path, "/")
	for i := range path {
		if path[i] == '/' && s.Match(path[:i], true) {
			return true
		}
	}
	return s.Match(path, dir)
}

// setOf returns the patterns of a file with the content.
func setOf(t testing.TB, content string) *Set {
	t.Helper()
	s := new(Set)
	name := filepath.Join(t.TempDir(), "patterns")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.AddFile(name); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMatch(t *testing.T) {
	for _, tc := range patterns {
		s := setOf(t, tc.file)
		for _, path := range strings.Fields(strings.ReplaceAll(tc.excluded, "\u00a0", "@")) {
			if path = strings.ReplaceAll(path, "@", "\u00a0"); !excluded(s, path) {
				t.Errorf("%q does not exclude %q", tc.file, path)
			}
		}
		for _, path := range strings.Fields(tc.kept) {
			if excluded(s, path) {
				t.Errorf("%q excludes %q", tc.file, path)
			}
		}
	}
	for _, tc := range []struct{ file, excluded, kept string }{{"a\\ ", "a ", "a"}, {"a\\  ", "a ", "a  "}, {" a", " a", "a"}, {"a\t", "a\t", "a"}, {"a b", "a b", "a"}} {
		if s := setOf(t, tc.file); !excluded(s, tc.excluded) || excluded(s, tc.kept) {
			t.Errorf("%q is wrong about %q or %q", tc.file, tc.excluded, tc.kept)
		}
	}
}

// wrong are patterns with a part of their error. Git matches nothing with those
// that are marked.
var wrong = []struct {
	text, want string
	never      bool
}{
	{"[a", `write \[`, true},
	{"x[", `write \[`, true},
	{"[]", `write \[`, true},
	{"[a-", `write \[`, true},
	{`[\`, `write \[`, true},
	{`a\`, `write \\`, true},
	{`a\/`, `write \\`, true},
	{`a\/b`, `write \\`, false},
	{"/", "/* matches everything at the top", true},
	{"!", "is empty", true},
	{"!/", "is empty", true},
	{"//", "two slashes", true},
	{"a//b", "two slashes", true},
	{"a//", "two slashes", true},
	{"./a", "begin at the top, as /a", true},
	{"../a", "begin at the top, as /a", true},
	{"a/./b", "begin at the top, as /a", true},
	{".", "begin at the top, as /a", true},
	{"[b-a]", "write a-b", false},
	{"[[:alpha:]]", "write a range", false},
}

// TestErrors names file, line and pattern, and what to write.
func TestErrors(t *testing.T) {
	for _, tc := range wrong {
		s := setOf(t, "before")
		if err := s.Add(tc.text); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v; want %q", tc.text, err, tc.want)
		}
		name := filepath.Join(t.TempDir(), "patterns")
		if err := os.WriteFile(name, []byte("a\n# comment\n"+tc.text+"\nb\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		begin := fmt.Sprintf("%s:3: %q: ", name, tc.text)
		if err := s.AddFile(name); err == nil || !strings.HasPrefix(err.Error(), begin) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v; want %s…%s", err, begin, tc.want)
		}
		if len(s.patterns) != 1 {
			t.Errorf("%q: %d patterns; want the one before", tc.text, len(s.patterns))
		}
	}
	if err := new(Set).Add(""); err == nil {
		t.Error("an empty pattern is no error")
	}
	if err := new(Set).AddFile("no/such/file"); err == nil || !strings.Contains(err.Error(), "no/such/file") {
		t.Error(err)
	}
}

// TestAdd takes a pattern as it is.
func TestAdd(t *testing.T) {
	var s Set
	for _, p := range []string{"#*#", "a "} {
		if err := s.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	if !s.Match("#x#", false) || !s.Match("a ", false) || s.Match("a", false) {
		t.Error("a pattern was read like a line of a file")
	}
}

// TestLong does not end before the tests time out if a star is tried again
// after a later one.
func TestLong(t *testing.T) {
	var s Set
	for _, p := range []string{strings.Repeat("*a", 40) + "*b", strings.Repeat("**/a/", 40) + "b", strings.Repeat("?*", 40) + "b"} {
		if err := s.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	name, path := strings.Repeat("a", 10_000), strings.Repeat("a/", 10_000)
	if s.Match(name, false) || s.Match(path+"c", false) {
		t.Error("a match")
	}
	if !s.Match(name+"b", false) || !s.Match(path+"b", false) {
		t.Error("no match")
	}
}

// git is a repository.
type git struct {
	t     *testing.T
	dir   string
	paths []string // of the tree
}

func newGit(t *testing.T) *git {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip(err)
	}
	g := &git{t: t, dir: t.TempDir()}
	g.run("", "init", "-q", "--template=")
	if err := os.Mkdir(filepath.Join(g.dir, ".git", "info"), 0o755); err != nil {
		t.Fatal(err)
	}
	return g
}

// plant makes the tree, in place of the one before. A path with a slash at its
// end is a directory.
func (g *git) plant(paths ...string) {
	g.t.Helper()
	ok := func(err error) {
		g.t.Helper()
		if err != nil {
			g.t.Fatal(err)
		}
	}
	for _, p := range g.paths {
		top, _, _ := strings.Cut(p, "/")
		ok(os.RemoveAll(filepath.Join(g.dir, top)))
	}
	g.paths = paths
	for _, p := range paths {
		name := filepath.Join(g.dir, p)
		if strings.HasSuffix(p, "/") {
			ok(os.MkdirAll(name, 0o755))
			continue
		}
		ok(os.MkdirAll(filepath.Dir(name), 0o755))
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			g.t.Skip(err) // a file system with rules for names
		}
	}
}

func (g *git) run(stdin string, args ...string) []byte {
	g.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stdin = g.dir, strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState.ExitCode() != 1 { // 1: nothing is ignored
		g.t.Fatal(err, errs.String())
	}
	return out
}

// excluded returns the paths that Git ignores.
func (g *git) excluded(file string) map[string]bool {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, ".git", "info", "exclude"), []byte(file), 0o600); err != nil {
		g.t.Fatal(err)
	}
	var stdin strings.Builder
	for _, p := range g.paths { // ./ because : would be magic
		stdin.WriteString("./" + strings.TrimSuffix(p, "/") + "\x00")
	}
	out := g.run(stdin.String(), "check-ignore", "--no-index", "-z", "-v", "-n", "--stdin")
	all := make(map[string]bool)
	fields := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") // source, line, pattern, path
	for ; len(fields) >= 4; fields = fields[4:] {
		all[strings.TrimPrefix(fields[3], "./")] = fields[2] != "" && fields[2][0] != '!'
	}
	if len(all) != len(g.paths) {
		g.t.Fatalf("git answered for %d paths of %d", len(all), len(g.paths))
	}
	return all
}

// compare compares the set of a file with what Git ignores.
func (g *git) compare(file string) {
	g.t.Helper()
	want, s := g.excluded(file), setOf(g.t, file)
	for _, p := range g.paths {
		if got, want := excluded(s, p), want[strings.TrimSuffix(p, "/")]; got != want {
			g.t.Errorf("%q, %q: excluded is %t; Git says %t", file, p, got, want)
		}
	}
}

// TestGitTable compares Git with the table, as far as it is about bytes.
func TestGitTable(t *testing.T) {
	g := newGit(t)
	for _, tc := range patterns {
		for _, p := range strings.Fields(tc.excluded + " " + tc.kept) {
			if clean := strings.TrimSuffix(p, "/"); clean == filepath.Clean(clean) && isASCII(p) {
				g.plant(p) // alone, because a/ and a would be the same
				g.compare(tc.file)
			}
		}
	}
	g.plant(tree...)
	for _, tc := range wrong {
		for p, is := range g.excluded(tc.text) {
			if is && tc.never {
				t.Errorf("%q is an error; Git excludes %q", tc.text, p)
			}
		}
	}
}

func isASCII(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) }

var tree = []string{
	"a", "b", "ab", "aab", "-", "]", "^", "a-b", "a b", "a ", "#a", "!a", "\\", ".a", "abc", "[a]",
	"d/", "d/a", "d/b", "d/ab", "d/d/", "d/d/a", "d/d/d/", "d/d/d/b", "d/e/", "d/e/a",
	"e/", "e/d/", "e/d/a", "e/d/ab", "e/a/", "e/a/b", "e/b", "ad/", "ad/a", "ad/ab/", "ad/ab/a", "bd/", "bd/b",
}

// TestGit compares random files of patterns with Git.
func TestGit(t *testing.T) {
	g := newGit(t)
	g.plant(tree...)
	pieces := []string{"a", "a", "b", "d", "d", "e", "*", "*", "**", "?", "/", "/", "/", "**/", "/**", "/**/", "[ab]", "[!a]", "[^b-e]", "[]a]", "[a-", "[", "]", "\\", "!", "-", " ", "#", "^", "."}
	n := 400
	if testing.Short() {
		n = 40
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		var file strings.Builder
		for range 1 + r.IntN(4) {
			line := strings.Repeat("!", r.IntN(4)/3)
			for range 1 + r.IntN(6) {
				line += pieces[r.IntN(len(pieces))]
			}
			// Against its manual, Git takes the stars of a**/b for directories.
			if new(Set).Add(trimSpaces(line)) != nil || regexp.MustCompile(`[^/*]\*\*.*/|/.*[^/*]\*\*`).MatchString(line) {
				continue
			}
			file.WriteString(line + "\n")
		}
		g.compare(file.String())
		if t.Failed() {
			return
		}
	}
}

// FuzzMatch compares a pattern with a slow and simple reference.
func FuzzMatch(f *testing.F) {
	for _, tc := range patterns {
		for _, line := range strings.Split(tc.file, "\n") {
			for _, path := range strings.Fields(tc.excluded + " " + tc.kept) {
				f.Add(line, path)
			}
		}
	}
	for _, tc := range wrong {
		f.Add(tc.text, "a/b")
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		path, dir := strings.CutSuffix(path, "/")
		p, err := parse(text)
		if err != nil || len(path) > 30 || strings.Count(text, "*") > 5 || path == "" || strings.Contains("/"+path+"/", "//") {
			return
		}
		s := &Set{patterns: []pattern{{parts: []glob{{plain: true, suffix: true}}, anyDir: true}, p}} // * before it
		want := !p.negated
		plain := strings.TrimPrefix(text, "!")
		plain, dirOnly := strings.CutSuffix(plain, "/")
		if !strings.Contains(plain, "/") {
			plain = "**/" + plain
		}
		if dirOnly && !dir || !slow(strings.TrimPrefix(plain, "/"), path, true) {
			want = true // as * says
		}
		if got := s.Match(path, dir); got != want {
			t.Errorf("%q after *, %q: excluded is %t, want %t", text, path, got, want)
		}
		if p.negated { // * hides nothing from a pattern that includes
			return
		}
		s.patterns = s.patterns[1:]
		if got, want := s.Match(path, dir), (dir || !dirOnly) && slow(strings.TrimPrefix(plain, "/"), path, true); got != want {
			t.Errorf("%q, %q: excluded is %t, want %t", text, path, got, want)
		}
	})
}

// slow matches a pattern that has no error, by trying everything. begin says
// that p and s are at the beginning of an element.
func slow(p, s string, begin bool) bool {
	if p == "" {
		return s == ""
	}
	if after := strings.TrimLeft(p, "*"); begin && len(p)-len(after) > 1 {
		if after == "" {
			return s != ""
		}
		if after[0] == '/' {
			_, deeper, found := strings.Cut(s, "/")
			return slow(after[1:], s, true) || found && slow(p, deeper, true)
		}
	}
	if p[0] == '*' {
		return slow(p[1:], s, false) || s != "" && s[0] != '/' && slow(p, tail(s), false)
	}
	if s == "" {
		return false
	}
	r, _ := next(s)
	switch p[0] {
	case '?':
		return r != '/' && slow(p[1:], tail(s), false)
	case '[':
		class, after, err := parseClass(p[1:])
		return err == nil && r != '/' && class.matches(r) && slow(after, tail(s), false)
	case '\\':
		p = p[1:]
	}
	want, _ := next(p)
	return r == want && slow(tail(p), tail(s), want == '/')
}

// tail returns s without its first character.
func tail(s string) string {
	_, n := next(s)
	return s[n:]
}

// BenchmarkMatch matches 20,000 paths with 20 patterns.
func BenchmarkMatch(b *testing.B) {
	var s Set
	for _, p := range strings.Fields("*.tmp *~ .#* #*# *.swp .DS_Store Thumbs.db .git/ node_modules/ __pycache__/ *.py[co] /build /dist/ doc/**/draft* **/cache/*.bin *.o a*b*c*d [Tt]emp/ !keep.tmp /var/log/*.gz") {
		if err := s.Add(p); err != nil {
			b.Fatal(err)
		}
	}
	var paths []string
	for i := range 20_000 {
		paths = append(paths, fmt.Sprintf("section %d/some directory/article-%d.html", i/100, i))
	}
	for b.Loop() {
		for _, p := range paths {
			if s.Match(p, false) {
				b.Fatal(p)
			}
		}
	}
}
