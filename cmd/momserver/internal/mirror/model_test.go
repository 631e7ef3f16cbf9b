//go:build unix

package mirror

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"mom.internal/momserver"
)

// A program is bytes that a model reads as steps: changes of the source and of
// the destination, and runs of the mirror between them. After each run the model
// compares both trees with what the package promises.

// modelOptions are the options of a program.
type modelOptions struct {
	delete, continueOnError, exclude, checksum, spool, quiet bool
	files                                                    int       // in a package
	maxDelete                                                maxDelete // 0 allows all
}

// maxDelete is a number of files for Options.MaxDelete.
type maxDelete int

func (n maxDelete) Allows(deletions, _ int) bool { return n == 0 || deletions <= int(n) }
func (n maxDelete) String() string               { return fmt.Sprint(int(n)) }

// options returns the options of a mirror.
func (m *model) options() Options {
	o := Options{
		Delete: m.opts.delete, ContinueOnError: m.opts.continueOnError, Checksum: m.opts.checksum, MaxDelete: m.opts.maxDelete,
		Exclude: m.excludes, PackageFiles: m.opts.files, PackageBytes: 50_000, State: m.state,
	}
	if m.opts.spool {
		o.Spool = m.spool
	}
	if m.opts.quiet {
		o.ReportIdle = time.Hour
	}
	return o
}

// excludes reports whether a pattern matches the entry. It does not look at the
// directories that the entry is in.
func (m *model) excludes(p string, dir bool) bool {
	return m.opts.exclude && (path.Base(p) == "x.tmp" || p == "a/b" && dir)
}

// node is what a model compares of an entry.
type node struct {
	mode fs.FileMode // and the type; of a link only the type
	time string      // "" for a link
	data string      // of a file; or the target of a link
}

func (n node) String() string { return fmt.Sprintf("%v %s %s", n.mode, n.time, n.data) }

func (n node) is(kind fs.FileMode) bool { return n.mode.Type() == kind }

// nodes is a tree by path. A path that does not exist has the zero node.
type nodes map[string]node

func (n nodes) has(p string) bool { _, ok := n[p]; return ok }

// model runs a program.
type model struct {
	t       testing.TB
	program []byte
	opts    modelOptions
	srv     *momserver.Server
	mir     *Mirror
	outside string            // a directory that links point to
	state   string            // Options.State
	spool   string            // a directory for Options.Spool
	known   map[string]uint64 // the inodes of the files of the source, as of the last clean run
	hushed  map[string]string // contents that came by a quiet change, and the paths of which the mirror must see it
	trees   [2]string
	steps   []string // that were taken, for messages
	clock   int
}

// source and destination are the indexes in trees.
const (
	source = iota
	destination
)

// runProgram takes all steps of a program, and mirrors twice at the end.
func runProgram(t testing.TB, program []byte) {
	top := t.TempDir()
	t.Cleanup(func() { openTree(top) })
	m := &model{
		t: t, program: program, srv: momserver.New(momserver.Config{}), hushed: make(map[string]string),
		outside: filepath.Join(top, "outside"), state: filepath.Join(top, "state"), spool: filepath.Join(top, "spool"),
	}
	defer m.srv.Close()
	m.trees = [2]string{filepath.Join(top, "source"), filepath.Join(top, "destination")}
	bits := m.next()
	m.opts = modelOptions{delete: bits&1 != 0, continueOnError: bits&2 != 0, files: 1 + int(bits>>2)%5}
	more := m.next()
	m.opts.exclude, m.opts.checksum, m.opts.spool, m.opts.quiet = more&1 != 0, more&6 == 6, more&8 != 0, more&16 != 0
	if more&32 != 0 {
		m.opts.maxDelete = maxDelete(more >> 6)
	}
	for _, dir := range []string{m.outside, m.spool, m.trees[source], m.trees[destination]} {
		m.ok(os.Mkdir(dir, 0o755))
	}
	m.ok(os.WriteFile(filepath.Join(m.outside, "precious"), []byte("precious"), 0o600))
	m.restart()
	for len(m.program) > 0 && !t.Failed() {
		m.step()
	}
	for range 2 {
		if !t.Failed() {
			m.mirror(t.Context(), false)
		}
	}
	if t.Failed() {
		t.Logf("%+v\n%s", m.opts, strings.Join(m.steps, "\n"))
	}
}

// restart makes a mirror that has not run yet.
func (m *model) restart() {
	m.t.Helper()
	var err error
	m.mir, err = New(m.srv, m.trees[source], m.trees[destination], m.options())
	m.ok(err)
}

func (m *model) ok(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// next returns the next byte of the program, and 0 after its end.
func (m *model) next() byte {
	if len(m.program) == 0 {
		return 0
	}
	b := m.program[0]
	m.program = m.program[1:]
	return b
}

// pick returns one of some values.
func pick[T any](m *model, some ...T) T { return some[int(m.next())%len(some)] }

// path returns a path in a tree. The names that fall together on some file
// systems are among the names.
func (m *model) path() string {
	var names []string
	for range 1 + m.next()%3 {
		name := pick(m, "a", "b", "d", "x.tmp")
		if len(names) == 0 && m.next()%4 == 0 {
			name = pick(m, "é", "e\u0301", "\xff", "new\nline", "-d", strings.Repeat("n", 255), " ", "A", "lost+found", spoolPrefix+"x", "*")
		}
		names = append(names, name)
	}
	return path.Join(names...)
}

// now returns another time in each call, so that two contents never have the
// same.
func (m *model) now() time.Time {
	m.clock++
	return longAgo.Add(time.Duration(m.clock) * 1_000_000_007)
}

// step changes one tree, or mirrors.
func (m *model) step() {
	op := m.next()
	if op%16 == 15 {
		if op&64 != 0 {
			m.restart()
		}
		if op&16 != 0 {
			m.dryRun()
		}
		moment := int(m.next())
		if op&32 == 0 || moment == 0 {
			m.mirror(m.t.Context(), false)
			return
		}
		m.mirror(newCancelAt(m.t.Context(), moment), true)
		return
	}
	in, p, what := int(op>>3)%2, "", ""
	switch op & 3 {
	case 0:
		p = m.path()
		what = m.put(in, p)
	case 1: // as another program may have mirrored it
		if p = m.existing(1 - in); p != "" {
			what = m.adopt(in, p)
		}
	default:
		if p = m.existing(in); p != "" {
			what = m.change(in, p)
		}
	}
	if what != "" {
		m.steps = append(m.steps, fmt.Sprintf("%s of the %s: %.100q", what, []string{"source", "destination"}[in], p))
	}
}

// existing returns the path of an entry of a tree, or "" if there is none.
func (m *model) existing(in int) string {
	var all []string
	m.ok(filepath.WalkDir(m.trees[in], func(name string, _ fs.DirEntry, err error) error {
		p, _ := filepath.Rel(m.trees[in], name)
		all = append(all, p)
		return err
	}))
	if len(all) == 1 { // the tree itself
		return ""
	}
	return pick(m, all[1:]...)
}

// put puts an entry in a tree, in place of another if there is one. It returns
// words for what it did.
func (m *model) put(in int, p string) string {
	m.makeWay(in, p)
	name := filepath.Join(m.trees[in], p)
	kind := pick(m, "file", "file", "file", "directory", "directory", "link", "sparse file", "file", "fifo")
	switch kind {
	case "file":
		m.write(name, os.O_CREATE|os.O_EXCL, pick(m, 0, 1, 512, 4_000, 40_000, 60_000))
	case "directory":
		m.ok(os.Mkdir(name, 0o755))
	case "link":
		m.ok(os.Symlink(pick(m, "a", "../d", ".", m.outside, filepath.Join(m.outside, "precious"), "no/where", "\xff"), name))
	case "sparse file":
		m.write(name, os.O_CREATE|os.O_EXCL, 10)
		when := m.now()
		m.ok(os.Truncate(name, 300_000))
		m.ok(os.Chtimes(name, when, when))
	case "fifo":
		m.ok(syscall.Mkfifo(name, 0o600))
	}
	return kind
}

// adopt puts a file of the other tree in a tree, as a copy with its mode and
// time, or as a hard link. It returns words for what it did, or "" for nothing.
func (m *model) adopt(in int, p string) string {
	name, other := filepath.Join(m.trees[in], p), filepath.Join(m.trees[1-in], p)
	info, err := os.Lstat(other)
	m.ok(err)
	if !info.Mode().IsRegular() {
		return ""
	}
	if m.next()%2 == 0 {
		m.makeWay(in, p)
		m.ok(os.Link(other, name))
		return "hard link of the other tree's file"
	}
	data, err := os.ReadFile(other)
	if err != nil { // not readable
		return ""
	}
	m.makeWay(in, p)
	m.ok(os.WriteFile(name, data, 0o600))
	m.ok(os.Chmod(name, info.Mode()&modeBits))
	m.ok(os.Chtimes(name, info.ModTime(), info.ModTime()))
	return "copy of the other tree's file"
}

// change changes an entry. It returns words for what it did, or "" for nothing.
func (m *model) change(in int, p string) string {
	name := filepath.Join(m.trees[in], p)
	info, err := os.Lstat(name)
	m.ok(err)
	kind := info.Mode().Type()
	switch pick(m, "remove", "rename", "rename", "times", "mode", "mode", "overwrite", "overwrite", "grow", "move away", "hard link", "quiet change") {
	case "remove":
		m.remove(name)
		return "remove"
	case "rename":
		to := m.path()
		if related(to, p) {
			return ""
		}
		m.rename(in, p, to)
		return fmt.Sprintf("rename to %.100q", to)
	case "move away": // and leave a link
		to := m.path()
		if related(to, p) {
			return ""
		}
		m.rename(in, p, to)
		target, err := filepath.Rel(path.Dir(p), to)
		m.ok(err)
		m.ok(os.Symlink(target, name))
		return fmt.Sprintf("link in place, after rename to %.100q", to)
	case "times":
		if kind != fs.ModeSymlink {
			when := m.now().AddDate(pick(m, 0, -50, -117, 60, 200), 0, 0)
			m.ok(os.Chtimes(name, when, when))
			return "times"
		}
	case "mode":
		switch kind {
		case 0:
			m.ok(os.Chmod(name, pick(m, 0o644, 0o600, 0o444, 0o755, 0, 0o777, 0o755|fs.ModeSetuid, 0o755|fs.ModeSetgid, 0o200)))
			return "mode"
		case fs.ModeDir:
			m.ok(os.Chmod(name, pick(m, 0o755, 0o700, 0o555, 0o500, 0o777|fs.ModeSticky, 0o755|fs.ModeSetgid)))
			return "mode"
		}
	case "overwrite": // as a program that keeps the inode
		if kind == 0 {
			m.ok(os.Chmod(name, 0o644))
			m.write(name, os.O_TRUNC, pick(m, 0, 3, 700, 60_000))
			return "overwrite"
		}
	case "grow": // without a new time
		if kind == 0 {
			m.ok(os.Chmod(name, 0o644))
			m.write(name, os.O_TRUNC, 1_000+m.clock) // a size that no other file has
			m.ok(os.Chtimes(name, info.ModTime(), info.ModTime()))
			m.ok(os.Chmod(name, info.Mode()&modeBits))
			return "grow"
		}
	case "hard link":
		to := m.path()
		if kind == 0 && !related(to, p) {
			m.makeWay(in, to)
			m.ok(os.Link(name, filepath.Join(m.trees[in], to)))
			return fmt.Sprintf("hard link as %.100q", to)
		}
	case "quiet change": // of the content, but not of size and time
		if kind == 0 && info.Size() > 0 && namesOf(info) == 1 && (in == source || m.opts.checksum) { // or it may be in both trees
			m.ok(os.Chmod(name, 0o644))
			m.write(name, 0, int(info.Size()))
			data := m.content(name, info)
			m.ok(os.Chtimes(name, info.ModTime(), info.ModTime()))
			m.ok(os.Chmod(name, info.Mode()&modeBits))
			if m.hushed[data] = ""; m.known[p] == inodeOf(info) {
				m.hushed[data] = p
			}
			return "quiet change"
		}
	}
	return ""
}

// rename renames an entry, also a directory that cannot be written.
func (m *model) rename(in int, p, to string) {
	m.t.Helper()
	name := filepath.Join(m.trees[in], p)
	m.open(name) // which a directory must be that gets another parent
	m.makeWay(in, to)
	m.open(filepath.Dir(name))
	m.ok(os.Rename(name, filepath.Join(m.trees[in], to)))
}

// related reports whether the paths are the same, or one is below the other.
func related(p, q string) bool {
	return strings.HasPrefix(p+"/", q+"/") || strings.HasPrefix(q+"/", p+"/")
}

// write writes content that no other file has.
func (m *model) write(name string, flag, size int) {
	m.t.Helper()
	when := m.now()
	f, err := os.OpenFile(name, os.O_WRONLY|flag, 0o644)
	m.ok(err)
	_, err = f.WriteString(strings.Repeat(fmt.Sprintf("%09d.", m.clock), size/10+1)[:size])
	m.ok(err)
	m.ok(f.Close())
	m.ok(os.Chtimes(name, when, when))
}

// makeWay makes the parents of a path, and removes what is there.
func (m *model) makeWay(in int, p string) {
	m.t.Helper()
	elements := strings.Split(p, "/")
	for i := range elements {
		name := filepath.Join(m.trees[in], path.Join(elements[:i+1]...))
		info, err := os.Lstat(name)
		switch last := i == len(elements)-1; {
		case err == nil && !last && info.IsDir():
			m.open(name)
			continue
		case err == nil:
			m.remove(name)
		}
		if i < len(elements)-1 {
			m.ok(os.Mkdir(name, 0o755))
		}
	}
}

// remove removes an entry of any kind.
func (m *model) remove(name string) {
	m.t.Helper()
	m.open(filepath.Dir(name))
	openTree(name)
	m.ok(os.RemoveAll(name))
}

// open makes a directory writable.
func (m *model) open(dir string) {
	if info, err := os.Lstat(dir); err == nil && info.IsDir() && info.Mode().Perm()&0o700 != 0o700 {
		m.ok(os.Chmod(dir, info.Mode()&modeBits|0o700))
	}
}

// read returns a tree.
func (m *model) read(root string) nodes {
	m.t.Helper()
	all := make(nodes)
	m.ok(filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		p, err := filepath.Rel(root, name)
		n := node{mode: info.Mode(), time: info.ModTime().UTC().Format(time.RFC3339Nano)}
		switch {
		case n.is(fs.ModeSymlink):
			n = node{mode: fs.ModeSymlink}
			n.data, _ = os.Readlink(name)
		case n.is(0):
			n.data = m.content(name, info)
		}
		all[filepath.ToSlash(p)] = n
		return err
	}))
	return all
}

// content returns words for the content of a file.
func (m *model) content(name string, info fs.FileInfo) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Sprintf("%d bytes, unreadable", info.Size())
	}
	return fmt.Sprintf("%d bytes %.8x", info.Size(), sha256.Sum256(data))
}

// changes returns the time of the last change of each entry in all trees.
func (m *model) changes() map[string]stamp {
	m.t.Helper()
	all := make(map[string]stamp)
	m.ok(filepath.WalkDir(filepath.Dir(m.state), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		all[name] = changedAt(info)
		return err
	}))
	return all
}

// dryRun checks that a dry run changes nothing.
func (m *model) dryRun() {
	m.t.Helper()
	o := m.options()
	o.DryRun = io.Discard
	dry, err := New(m.srv, m.trees[source], m.trees[destination], o)
	m.ok(err)
	before := m.changes()
	for range 2 { // the second one may be quiet
		result, err := dry.Run(m.t.Context())
		m.steps = append(m.steps, fmt.Sprintf("dry run: %+v, %v", result, err))
	}
	if after := m.changes(); !maps.Equal(before, after) {
		m.t.Errorf("a dry run made changes: %v became %v", before, after)
	}
}

// cancelAt is a context that is cancelled when a run looks at it for the nth
// time.
type cancelAt struct {
	context.Context
	cancel context.CancelFunc
	left   atomic.Int64
}

func newCancelAt(ctx context.Context, n int) *cancelAt {
	c := new(cancelAt)
	c.Context, c.cancel = context.WithCancel(ctx)
	c.left.Store(int64(n))
	return c
}

func (c *cancelAt) Err() error {
	if c.left.Add(-1) == 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// mirror mirrors, and compares the trees with what they were before.
func (m *model) mirror(ctx context.Context, interrupted bool) {
	m.t.Helper()
	outside, src, before := m.read(m.outside), m.read(m.trees[source]), m.read(m.trees[destination])
	result, err := m.mir.Run(ctx)
	m.steps = append(m.steps, fmt.Sprintf("mirror: %+v, %v", result, err))
	after := m.read(m.trees[destination])
	m.same("outside of both trees", outside, m.read(m.outside))
	m.same("the source", src, m.read(m.trees[source]))
	m.same("the spool", nodes{}, m.read(m.spool))
	c := &comparison{model: m, src: m.included(src), before: before, after: after}
	reason := c.obstacle()
	switch clean := err == nil && result.Clean(); {
	case clean && reason != "":
		m.t.Errorf("the run is clean, although %s", reason)
	case clean:
		c.mirrored()
		m.know(src)
		c.nothingTwice(result)
	case !interrupted && reason == "" && !c.unread():
		m.t.Errorf("the run failed without a reason: %v, %+v", err, result)
	default:
		c.unharmed(interrupted)
	}
	for data, p := range m.hushed {
		if src[p].data != data {
			m.hushed[data] = "" // the mirror may have forgotten the file
		}
	}
}

// know remembers the files of a source that was mirrored.
func (m *model) know(src nodes) {
	m.t.Helper()
	m.known = make(map[string]uint64)
	for p, n := range src {
		if n.is(0) {
			info, err := os.Lstat(filepath.Join(m.trees[source], p))
			m.ok(err)
			m.known[p] = inodeOf(info)
		}
	}
}

func (m *model) same(what string, want, got nodes) {
	m.t.Helper()
	if !maps.Equal(want, got) {
		m.t.Errorf("the run changed %s: %v became %v", what, want, got)
	}
}

// included returns a tree without the excluded entries and what is below them.
func (m *model) included(tree nodes) nodes {
	all := make(nodes)
	for p, n := range tree {
		if !below(p, func(q string) bool { return m.excludes(q, tree[q].is(fs.ModeDir)) }) {
			all[p] = n
		}
	}
	return all
}

// below reports whether is holds for p or for a directory above it.
func below(p string, is func(string) bool) bool {
	for ; p != "."; p = path.Dir(p) {
		if is(p) {
			return true
		}
	}
	return false
}

// comparison is of the trees before and after a run.
type comparison struct {
	*model
	src, before, after nodes
}

// obstacle returns why a run cannot be clean, or "" if it has to be.
func (c *comparison) obstacle() string {
	doomed, files := c.doomed()
	switch {
	case doomed > 0 && !slices.ContainsFunc(slices.Collect(maps.Values(c.src)), func(n node) bool { return !n.is(fs.ModeNamedPipe) }):
		return "the source is empty"
	case c.tooMany():
		return fmt.Sprintf("%d files are too many to delete", files)
	}
	kept := c.included(c.before)
	for p, n := range c.src {
		if strings.HasSuffix(n.data, "unreadable") && c.before[p] != n { // what looks the same is not read
			return fmt.Sprintf("%q cannot be read", p)
		}
		if n.is(fs.ModeDir) || n.is(fs.ModeNamedPipe) || !c.before[p].is(fs.ModeDir) || !c.before.has(p) {
			continue
		}
		for q := range c.before {
			if q == p && !kept.has(q) || strings.HasPrefix(q, p+"/") && (!c.opts.delete || !kept.has(q)) {
				return fmt.Sprintf("a directory that has to stay is in the place of %q", p)
			}
		}
	}
	return ""
}

// doomed returns how many entries of the destination may be deleted, and how many
// files are among them and among those that make way for others.
func (c *comparison) doomed() (entries, files int) {
	if !c.opts.delete {
		return 0, 0
	}
	for p, n := range c.included(c.before) {
		if c.src.has(p) || c.skipped(p) {
			continue
		}
		if !n.is(fs.ModeDir) {
			files++
		}
		if !(n.is(fs.ModeDir) && c.holdsExcluded(p)) {
			entries++
		}
	}
	return entries, files
}

// tooMany reports whether more would be deleted than is allowed.
func (c *comparison) tooMany() bool {
	_, files := c.doomed()
	return !c.opts.maxDelete.Allows(files, 0)
}

// unread reports whether there is a file that cannot be read, and that may look
// the same at the destination. The mirror reads it only if it was changed.
func (c *comparison) unread() bool {
	return slices.ContainsFunc(slices.Collect(maps.Values(c.src)), func(n node) bool { return strings.HasSuffix(n.data, "unreadable") })
}

// skipped reports whether p is in the place of something that is not mirrored,
// or below it.
func (c *comparison) skipped(p string) bool {
	return below(p, func(q string) bool { return c.src[q].is(fs.ModeNamedPipe) })
}

// mirrored checks the destination after a run that reports that it mirrored
// everything.
func (c *comparison) mirrored() {
	c.t.Helper()
	kept := c.included(c.before)
	for p, n := range c.src {
		if at, hushed := c.hushed[n.data]; hushed && at != p {
			n.data = c.after[p].data
		}
		if !c.skipped(p) && c.after[p] != n {
			c.t.Errorf("%.100q: the source has %v, the destination %v", p, n, c.after[p])
		}
	}
	for p, n := range c.after {
		switch {
		case c.src.has(p):
		case !c.before.has(p):
			c.t.Errorf("%.100q came from nowhere: %v", p, n)
		case kept.has(p) && c.opts.delete && !c.skipped(p) && !(n.is(fs.ModeDir) && c.holdsExcluded(p)):
			c.t.Errorf("%.100q was not deleted: %v", p, n)
		}
	}
	for p, n := range c.before {
		stays := !c.src.has(p) && !c.opts.delete || !kept.has(p) || c.src[p].is(fs.ModeNamedPipe) && !n.is(fs.ModeDir)
		if stays && c.after[p] != n {
			c.t.Errorf("%.100q should have been left alone: %v became %v", p, n, c.after[p])
		}
	}
}

// holdsExcluded reports whether there is an excluded entry below the directory.
func (c *comparison) holdsExcluded(dir string) bool {
	kept := c.included(c.before)
	return slices.ContainsFunc(slices.Collect(maps.Keys(c.before)), func(p string) bool {
		return strings.HasPrefix(p, dir+"/") && !kept.has(p)
	})
}

// nothingTwice checks that a run with nothing to do did nothing.
func (c *comparison) nothingTwice(result Result) {
	c.t.Helper()
	if maps.Equal(c.before, c.after) && (result.Packages > 0 || result.Deleted > 0) {
		c.t.Errorf("the destination was up to date, and the run did %+v", result)
	}
}

// unharmed checks the destination after a run that did not mirror everything:
// every file is the old or the new one, and nothing is gone but what made way
// for an entry of the source or, if the run was interrupted, was to be deleted.
func (c *comparison) unharmed(interrupted bool) {
	c.t.Helper()
	kept := c.included(c.before)
	for p, n := range c.after {
		if n.is(fs.ModeDir) && (c.before[p].is(fs.ModeDir) || c.src[p].is(fs.ModeDir)) {
			continue
		}
		if n != c.before[p] && n != c.src[p] {
			c.t.Errorf("%.100q is neither old nor new: %v; it was %v, and the source has %v", p, n, c.before[p], c.src[p])
		}
	}
	for p, n := range c.before {
		madeWay := c.opts.delete && !c.tooMany() && below(path.Dir(p), func(q string) bool {
			return c.before[q].is(fs.ModeDir) && c.src.has(q) && !c.src[q].is(fs.ModeDir) && !c.src[q].is(fs.ModeNamedPipe)
		})
		deleted := c.opts.delete && !c.tooMany() && interrupted && !c.src.has(p)
		if !c.after.has(p) && (!kept.has(p) || !madeWay && !deleted) {
			c.t.Errorf("%.100q is gone: it was %v", p, n)
		}
	}
}

// TestModel runs random programs.
func TestModel(t *testing.T) {
	n := uint64(100)
	switch {
	case slow():
		n = 300
	case testing.Short():
		n = 15
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runProgram(t, randomProgram(seed)) })
	}
}

// TestModelAsNobody is TestModel for a user to whom permissions apply.
func TestModelAsNobody(t *testing.T) {
	if !asNobody(t) {
		return
	}
	n := uint64(40)
	switch {
	case slow():
		n = 100
	case testing.Short():
		n = 10
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runProgram(t, randomProgram(1_000_000+seed)) })
	}
}

func randomProgram(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	program := make([]byte, 50+r.IntN(500))
	for i := range program {
		program[i] = byte(r.Uint32())
	}
	return program
}

// FuzzTrees runs any program.
func FuzzTrees(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(randomProgram(seed))
	}
	f.Fuzz(func(t *testing.T, program []byte) { runProgram(t, program[:min(len(program), 250)]) })
}
