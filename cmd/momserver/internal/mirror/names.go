package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A file system may ignore the case of names, or store them in another Unicode
// form. Then an entry can be found under a name that the listing of its directory
// does not have, because the entry is stored under another spelling.

// destDir is a directory of the destination that is being compared.
type destDir struct {
	r       *run
	dir     string
	device  uint64
	root    *os.Root
	names   []string          // of its entries, sorted
	infos   []fs.FileInfo     // of the names; nil for one that cannot be looked at
	known   []string          // names that the source has in this directory, sorted
	spelled []string          // of names, those of entries that the source spells differently
	claimed map[string]string // of spelled, the names that other entries of the source have too; each with the path of the entry that is stored under it
}

// look opens the directory of a listing at the destination. It returns nil if
// there is none, or if it cannot be read. In the second case the reason is reported
// when an entry is placed there.
func (r *run) look(l listing) (*destDir, error) {
	d := &destDir{r: r, dir: l.dir}
	if r.dest.top == nil || l.dir != "." && (r.plan.absent[l.dir] || r.plan.absent[path.Dir(l.dir)]) {
		r.plan.absent[l.dir] = true
		return nil, nil
	}
	err := d.read()
	if errors.Is(err, fs.ErrPermission) && r.m.opts.DryRun == nil {
		if err = r.takeDest(); err != nil {
			return nil, err
		}
		if err = r.makeDir(l.dir); err == nil { // makes it readable
			err = d.read()
		}
	}
	if err != nil {
		r.plan.absent[l.dir] = true
		return nil, nil
	}
	for _, e := range l.entries {
		d.known = append(d.known, path.Base(e.path))
	}
	for _, e := range l.skipped {
		d.known = append(d.known, path.Base(e.item))
	}
	d.known = append(d.known, l.left...)
	slices.Sort(d.known)
	if l.dir == "." && (slices.ContainsFunc(d.names, isStale) || r.staleAway() || r.staleLock(d.names)) {
		r.plan.unsettled = true
	}
	return d, nil
}

// read opens and lists the directory.
func (d *destDir) read() error {
	root, err := openDir(d.r.dest.top, d.dir)
	if err != nil {
		return err
	}
	device, names, err := readDir(root)
	if err != nil {
		root.Close()
		return err
	}
	d.root, d.names = root, names
	d.infos, _ = lstatAll(root, names)
	d.device = device
	return nil
}

// isTop reports whether a directory of the destination is the top of a file
// system.
func (r *run) isTop(dir string, device uint64) bool {
	above, err := os.Stat(filepath.Join(r.where(dir), ".."))
	return err == nil && deviceOf(above) != device
}

// find returns the entry at the destination, or nil if there is none. If there is
// one that cannot be looked at, the attempt to place the entry reports the reason.
func (d *destDir) find(p string) (fs.FileInfo, error) {
	name := path.Base(p)
	if len(d.names) == 0 {
		return nil, nil
	}
	at, found := slices.BinarySearch(d.names, name)
	if found {
		if first := d.claimed[name]; first != "" {
			return nil, sameName(first)
		}
		if d.infos[at] != nil && !d.infos[at].IsDir() {
			d.r.plan.destFiles++
		}
		return d.infos[at], nil
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, nil
	}
	if !info.IsDir() {
		d.r.plan.destFiles++
	}
	i := slices.IndexFunc(d.infos, func(other fs.FileInfo) bool { return other != nil && os.SameFile(other, info) })
	if i < 0 { // not every file system numbers its files
		i = slices.IndexFunc(d.names, func(other string) bool { return strings.EqualFold(other, name) })
	}
	if i < 0 {
		return info, nil // made meanwhile
	}
	other := d.names[i]
	if d.knows(other) {
		if other < name {
			return nil, sameName(path.Join(d.dir, other))
		}
		// The first of the two names gets the place, whichever is stored there now.
		if d.claimed == nil {
			d.claimed = make(map[string]string)
		}
		d.claimed[other] = p
	}
	d.spelled = append(d.spelled, other)
	if d.r.m.index.of(p).spelled != other {
		d.r.plan.renames = append(d.r.plan.renames, respelling{path.Join(d.dir, other), p})
	}
	return info, nil
}

// sameName is the error of an entry whose name is the same as that of another
// for the file system of the destination.
func sameName(other string) error {
	return fmt.Errorf("the destination cannot tell its name from that of %s, because its file system ignores case or changes names; rename one of the two", filepath.FromSlash(other))
}

// respelling is an entry of the destination that gets the spelling of the
// source.
type respelling struct{ from, to string }

// respell gives entries of the destination the spelling that their names have at
// the source. An entry that keeps its spelling is not tried again.
func (r *run) respell(ctx context.Context) error {
	for _, s := range r.plan.renames {
		if err := interrupted(ctx); err != nil {
			return err
		}
		dir, name, err := r.dest.of(s.to)
		if err == nil {
			err = respellIn(dir, path.Base(s.from), name)
		}
		if err != nil {
			r.bad(about(s.to, err))
			continue
		}
		_, names, err := readDir(dir)
		if _, found := slices.BinarySearch(names, name); err == nil && !found {
			rec := r.m.index.of(s.to)
			rec.spelled = path.Base(s.from)
			r.m.index.put(s.to, rec)
		}
	}
	return nil
}

// taken returns an error if dir has the entry at the path under another spelling,
// so that it belongs to another entry of the source. It is called if the plan found
// no entry at the path.
func (r *run) taken(dir *os.Root, p string) error {
	name := path.Base(p)
	_, names, err := readDir(dir)
	if err != nil {
		return nil
	}
	_, found := slices.BinarySearch(names, name)
	if other := r.placed[strings.ToLower(p)]; other != "" && other != p {
		if _, both := slices.BinarySearch(names, path.Base(other)); !both || !found {
			return sameName(other)
		}
	}
	if found {
		return nil // the entry that is to be replaced, or one that another program has just made
	}
	info, err := dir.Lstat(name)
	if err != nil {
		return nil
	}
	for _, other := range names {
		if found, err := dir.Lstat(other); err == nil && os.SameFile(found, info) {
			return sameName(path.Join(path.Dir(p), other))
		}
	}
	return nil
}

// knows reports whether the source has an entry with the name in the directory.
func (d *destDir) knows(name string) bool {
	_, found := slices.BinarySearch(d.known, name)
	return found
}
