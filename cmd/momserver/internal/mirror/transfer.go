package mirror

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"path"
	"path/filepath"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// packages exports, transfers and imports one package after the other.
func (r *run) packages(ctx context.Context) error {
	for i, b := range r.todo {
		x, err := r.export(ctx, b)
		switch {
		case err != nil:
			err = r.fail(err)
		case len(x.batch) > 0:
			err = r.move(ctx, i+1, x)
		}
		if err != nil && (r.failed || !r.m.opts.ContinueOnError) {
			return err
		}
	}
	return nil
}

// move transfers and imports one package, through its states. If it returns an
// error, the error has been published, and the run has ended if no package can
// follow.
func (r *run) move(ctx context.Context, number int, x *exported) error {
	opened := r.openSpool()
	arrived := path.Join(r.destSpool, packageName(number))
	header := wire.PackageHeader{Number: number, FileSize: x.size, TargetFilePath: r.where(arrived)}
	err := r.job.Package(header, x.batch.body(), func(p *momserver.Package) error {
		err := opened
		if err == nil {
			err = r.carry(ctx, p, x, arrived)
		}
		if err != nil {
			item, why := itemOf(err)
			p.FailItem(item, why)
		}
		return err
	})
	switch {
	case err == nil:
		r.result.Packages++
		r.result.Files += x.batch.body().Files
		r.result.Bytes += x.size
		return nil
	case interrupted(ctx) != nil:
		return r.fail(errInterrupted)
	}
	r.result.Failed++
	if opened != nil {
		return r.fail(err)
	}
	return err
}

// carry transfers the package to the spool at the destination, and imports it
// from there.
func (r *run) carry(ctx context.Context, p *momserver.Package, x *exported, arrived string) error {
	defer r.dest.Remove(filepath.FromSlash(arrived))
	sum, err := r.transfer(ctx, p, x, arrived)
	if err != nil {
		return about(r.where(arrived), err)
	}
	p.Transferred()
	return r.importPackage(ctx, arrived, x.size, sum)
}

// transfer copies the package, and returns the digest of the bytes that were
// sent.
func (r *run) transfer(ctx context.Context, p *momserver.Package, x *exported, arrived string) ([]byte, error) {
	out, err := r.dest.OpenFile(filepath.FromSlash(arrived), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	digest := sha256.New()
	buf := make([]byte, r.limit.chunk())
	for moved := int64(0); moved < x.size; {
		n, err := io.ReadFull(x.file, buf[:min(int64(len(buf)), x.size-moved)])
		if err != nil {
			return nil, &itemError{x.at(moved), &spoolError{err}}
		}
		if err := r.limit.wait(ctx, n); err != nil {
			return nil, err
		}
		digest.Write(buf[:n])
		p.Item(x.at(moved))
		p.Sent(int64(n))
		if _, err := out.Write(buf[:n]); err != nil {
			return nil, err
		}
		moved += int64(n)
		p.Received(int64(n))
	}
	return digest.Sum(nil), out.Close()
}

// where returns the path of an entry at the destination, for messages.
func (r *run) where(p string) string { return filepath.Join(r.m.dst, filepath.FromSlash(p)) }
