package mirror

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"mom.internal/wire"
)

// batch is the entries of one package.
type batch []entry

// divide divides entries into packages, in their order. Their number and the
// bytes of their files are bounded.
func divide(entries []entry, maxFiles int, maxBytes int64) []batch {
	var all []batch
	var now batch
	var bytes int64
	for _, e := range entries {
		size := e.size()
		if len(now) > 0 && (len(now) >= maxFiles || bytes+size > maxBytes) {
			all, now, bytes = append(all, now), nil, 0
		}
		now = append(now, e)
		bytes += size
	}
	if len(now) > 0 {
		all = append(all, now)
	}
	return all
}

// size returns the number of bytes in the entry.
func (e *entry) size() int64 {
	if e.info.Mode().IsRegular() {
		return e.info.Size()
	}
	return 0
}

// header returns the entry for a tar file, without the owner.
func (e *entry) header(info fs.FileInfo) (*tar.Header, error) {
	h, err := tar.FileInfoHeader(info, e.link)
	if err != nil {
		return nil, err
	}
	h.Name = e.path
	if info.IsDir() {
		h.Name += "/"
	}
	if modeOf(info)&(fs.ModeSetuid|fs.ModeSetgid) == 0 {
		h.Mode &^= 0o6000
	}
	h.Format = tar.FormatPAX
	h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
	h.Uid, h.Gid, h.Uname, h.Gname = 0, 0, "", ""
	return h, nil
}

// counter counts the bytes that are written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// tarBlock is the unit of a tar file, which ends with two blocks of zeros.
const tarBlock = 512

// tarSize returns the expected size of the package.
func (b batch) tarSize() int64 {
	n := counter(2 * tarBlock)
	for _, e := range b {
		if h, err := e.header(e.info); err == nil {
			tar.NewWriter(&n).WriteHeader(h)
		}
		n += counter((e.size() + tarBlock - 1) / tarBlock * tarBlock)
	}
	return int64(n)
}

// body counts the files and links, and the pages among them.
func (b batch) body() wire.PackageBody {
	var body wire.PackageBody
	for _, e := range b {
		if e.info.IsDir() {
			continue
		}
		body.Files++
		switch strings.ToLower(path.Ext(e.path)) {
		case ".html", ".htm":
			body.Pages++
		}
	}
	return body
}

func packageName(number int) string { return fmt.Sprintf("package-%04d.tar", number) }
