package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"mom/momserver"
	"mom/wire"
)

// spoolPrefix begins the name of a spool at the top of a destination.
const spoolPrefix = ".momspool-"

// packages exports, transfers and imports one package after the other.
func (r *run) packages(ctx context.Context) error {
	for i, b := range r.todo {
		x, err := r.export(ctx, i+1, b)
		if err == nil && len(x.batch) > 0 {
			err = r.move(ctx, i+1, x)
		} else if err != nil {
			err = r.fail(err)
		}
		x.discard()
		if ctx.Err() != nil && !r.job.Ended() {
			r.job.Fail(errors.New("interrupted: the mirroring was stopped"))
		}
		if r.job.Ended() {
			return err
		}
	}
	return nil
}

// move transfers and imports one package, through its states. Its error has
// been published.
func (r *run) move(ctx context.Context, number int, x *exported) error {
	target := filepath.Join(r.m.dst, packageName(number))
	opened := r.openSpool()
	if opened == nil {
		target = filepath.Join(r.m.dst, filepath.FromSlash(r.destPool), packageName(number))
	}
	p, err := r.job.StartPackage(wire.PackageHeader{Number: number, FileSize: x.size, TargetFilePath: target}, x.batch.body())
	if err != nil {
		return r.fail(err)
	}
	arrived, err := "", opened
	var sum []byte
	if err == nil {
		arrived = path.Join(r.destPool, packageName(number))
		sum, err = r.transfer(ctx, p, x, arrived)
	}
	if err == nil {
		if err = p.Transferred(); err == nil {
			err = r.importPackage(arrived, x.size, sum)
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			err = errors.New("interrupted: the mirroring was stopped")
		}
		item, why := itemOf(err)
		r.result.Failed++
		p.FailItem(item, why)
		r.dropArrived(arrived)
		return err
	}
	r.dropArrived(arrived)
	r.result.Packages++
	r.result.Files += x.batch.body().Files
	r.result.Bytes += x.size
	return p.Complete()
}

func (r *run) dropArrived(arrived string) {
	if arrived != "" {
		r.dest.Remove(filepath.FromSlash(arrived))
	}
}

// openSpool makes the destination and a spool in it, and removes what a run
// that was killed has left there.
func (r *run) openSpool() error {
	if r.destPool != "" {
		return nil
	}
	if r.dest == nil {
		if err := os.MkdirAll(r.m.dst, 0o777); err != nil {
			return &itemError{r.m.dst, plain(err)}
		}
		dest, err := os.OpenRoot(r.m.dst)
		if err != nil {
			return &itemError{r.m.dst, plain(err)}
		}
		r.dest = dest
	}
	r.removeSpools()
	spool := spoolPrefix + uuid.NewString()[:8]
	if err := r.dest.Mkdir(spool, 0o700); err != nil {
		return &itemError{r.m.dst, plain(err)}
	}
	r.destPool = spool
	return nil
}

func (r *run) removeSpools() {
	names, _ := readNames(r.dest, ".")
	for _, name := range names {
		if strings.HasPrefix(name, spoolPrefix) {
			r.dest.RemoveAll(name)
		}
	}
}

func (r *run) closeSpool() {
	if r.destPool != "" {
		r.dest.RemoveAll(r.destPool)
		r.destPool = ""
	}
}

// chunk is the most that is moved at once; less where the bandwidth is small.
const chunk = 32 << 10

// transfer copies the package to the destination's spool and returns the
// digest of what was sent.
func (r *run) transfer(ctx context.Context, p *momserver.Package, x *exported, arrived string) ([]byte, error) {
	out, err := r.dest.OpenFile(filepath.FromSlash(arrived), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, &itemError{arrived, plain(err)}
	}
	defer out.Close()
	digest := sha256.New()
	buf := make([]byte, r.limit.chunk())
	for moved := int64(0); moved < x.size; {
		n, err := io.ReadFull(x.file, buf[:min(int64(len(buf)), x.size-moved)])
		if err != nil {
			return nil, &itemError{x.file.Name(), plain(err)}
		}
		if err := r.limit.wait(ctx, n); err != nil {
			return nil, err
		}
		digest.Write(buf[:n])
		p.Item(x.at(moved))
		if err := p.Sent(int64(n)); err != nil {
			return nil, err
		}
		if _, err := out.Write(buf[:n]); err != nil {
			return nil, &itemError{r.where(arrived), plain(err)}
		}
		moved += int64(n)
		if err := p.Received(int64(n)); err != nil {
			return nil, err
		}
	}
	if err := out.Close(); err != nil {
		return nil, &itemError{r.where(arrived), plain(err)}
	}
	return digest.Sum(nil), nil
}

// where is a path at the destination as a person would look for it.
func (r *run) where(p string) string { return filepath.Join(r.m.dst, filepath.FromSlash(p)) }

// verify compares what arrived with what was sent.
func (r *run) verify(f fs.File, size int64, sum []byte) error {
	digest := sha256.New()
	n, err := io.Copy(digest, f)
	switch {
	case err != nil:
		return err
	case n != size || !sameSum(digest, sum):
		return fmt.Errorf("the package was damaged on its way: %d bytes of %d, or other ones", n, size)
	}
	return nil
}

func sameSum(h hash.Hash, sum []byte) bool { return string(h.Sum(nil)) == string(sum) }

// limiter spreads bytes over time.
type limiter struct {
	perSecond int64 // 0 for no limit
	next      time.Time
}

// chunk is what to move at once: a tenth of a second's worth, chunk at most.
func (l *limiter) chunk() int {
	if l.perSecond <= 0 {
		return chunk
	}
	return int(min(max(l.perSecond/10, 1), chunk))
}

// wait blocks until n more bytes may move, or until ctx is done.
func (l *limiter) wait(ctx context.Context, n int) error {
	if l.perSecond <= 0 {
		return ctx.Err()
	}
	now := time.Now()
	if l.next.Before(now) {
		l.next = now
	}
	l.next = l.next.Add(time.Duration(float64(n) / float64(l.perSecond) * float64(time.Second)))
	timer := time.NewTimer(l.next.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
