package mirror

import (
	"fmt"
	"path"
	"strings"

	"mom.internal/wire"
)

// batch is the entries of one package, in the order of the source. Some may have
// errors.
type batch []entry

// pack adds an entry to the packages. The number of entries in a package, and
// the bytes of its files, are bounded.
func (r *run) pack(e entry) {
	p := &r.plan
	size := e.size()
	if len(p.batches) == 0 || len(p.batches[len(p.batches)-1]) >= r.m.opts.PackageFiles || r.packed+size > r.m.opts.PackageBytes {
		p.batches = append(p.batches, nil)
		r.packed = 0
	}
	last := &p.batches[len(p.batches)-1]
	*last = append(*last, e)
	r.packed += size
	p.bytes += size
	if e.isFile() {
		p.files++
	}
}

// size returns the number of bytes to be moved for the entry.
func (e *entry) size() int64 {
	if e.err == nil && e.info.Mode().IsRegular() {
		return e.info.Size()
	}
	return 0
}

// isFile reports whether the entry is a file or a link that can be mirrored.
func (e *entry) isFile() bool { return e.err == nil && !e.info.IsDir() }

// isPage reports whether the file is a page, for people.
func (e *entry) isPage() bool {
	switch strings.ToLower(path.Ext(e.path)) {
	case ".html", ".htm":
		return e.isFile()
	}
	return false
}

// size returns the number of bytes in the files of the package.
func (b batch) size() (n int64) {
	for i := range b {
		n += b[i].size()
	}
	return n
}

// body counts the files and links, and the pages among them.
func (b batch) body() wire.PackageBody {
	var body wire.PackageBody
	for i := range b {
		if b[i].isFile() {
			body.Files++
		}
		if b[i].isPage() {
			body.Pages++
		}
	}
	return body
}

// whole returns the entries without an error, and the errors of the others.
func (b batch) whole() (good batch, bad []error) {
	for _, e := range b {
		if e.err != nil {
			bad = append(bad, &itemError{e.path, e.err})
		} else {
			good = append(good, e)
		}
	}
	return good, bad
}

func packageName(number int) string { return fmt.Sprintf("package-%04d", number) }
