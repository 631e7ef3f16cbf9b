package mirror

import (
	"context"
	"errors"
	"path/filepath"

	"mom.internal/momserver"
	"mom.internal/wire"
)

// packages transfers and imports one package after the other.
func (r *run) packages(ctx context.Context) error {
	for i, b := range r.plan.batches {
		if err := r.move(ctx, i+1, b); err != nil {
			return err
		}
	}
	return nil
}

// move transfers and imports one package, through its states. An entry that
// cannot be mirrored does not keep the others from being imported. The package
// fails if nothing of it can be imported. move returns an error if the run has to
// end.
func (r *run) move(ctx context.Context, number int, b batch) error {
	good, bad := b.whole()
	if len(good) == 0 {
		return r.report(bad)
	}
	if err := r.openSpool(); err != nil {
		return err
	}
	header := wire.PackageHeader{Number: number, FileSize: good.size(), TargetFilePath: filepath.Join(r.spool.path, packageName(number))}
	failed := false
	err := r.job.Package(header, good.body(), func(p *momserver.Package) error {
		lost, err := r.carry(ctx, p, good)
		if failed = err == nil && len(lost) > 0 && len(lost) == len(good); failed {
			err = lost[0]
		}
		bad = append(lost, bad...)
		if err != nil {
			item, why := itemOf(err)
			p.FailItem(item, why)
		}
		return err
	})
	switch {
	case failed && r.m.opts.ContinueOnError:
		r.result.Failed++
		item, why := itemOf(bad[0])
		r.tell(item, why.Error(), true) // the event of the package has this error as well
		return r.report(bad[1:])
	case failed:
		r.result.Failed++
	case err != nil:
		return err
	default:
		r.result.Packages++
	}
	return r.report(bad)
}

// carry transfers the entries to the spool, and imports them from there. It
// returns the errors of the entries that are not imported, or an error that ends
// the run.
func (r *run) carry(ctx context.Context, p *momserver.Package, b batch) (bad []error, err error) {
	defer r.spool.clear()
	arrived := make([]arrival, 0, len(b))
	files, bytes := 0, int64(0)
	for i := range b {
		a, err := r.fetch(ctx, p, &b[i])
		bytes += a.size // even of a file that failed half-way
		switch {
		case errors.Is(err, errInterrupted):
			return nil, err
		case errors.Is(err, errVanished):
			r.warn(b[i].path, err.Error())
		case errors.Is(err, errReplaced): // the next run finds what has taken the entry's place
			r.bad(about(b[i].path, err))
		case err != nil:
			bad = append(bad, about(b[i].path, err))
		default:
			arrived = append(arrived, a)
			if b[i].isFile() {
				files++
			}
		}
	}
	if len(arrived) == 0 && len(bad) > 0 {
		return bad, nil
	}
	p.Expect(files, bytes)
	p.Transferred()
	for i := range arrived {
		a := &arrived[i]
		if err := interrupted(ctx); err != nil {
			return bad, err
		}
		if err := r.place(ctx, a); err != nil {
			bad = append(bad, about(a.entry.path, err))
			if a.entry.isFile() {
				files--
			}
			continue
		}
		r.result.Bytes += a.size
		if a.entry.isFile() {
			r.result.Files++
		}
	}
	p.Expect(files, 0)
	return bad, nil
}

// report adds the errors of entries that are not mirrored to the log. Without
// ContinueOnError it returns the first error instead, which ends the run.
func (r *run) report(bad []error) error {
	if len(bad) == 0 {
		return nil
	}
	if r.m.opts.ContinueOnError {
		for _, err := range bad {
			r.bad(err)
		}
		return nil
	}
	for _, err := range bad[1:] {
		r.bad(err)
	}
	return bad[0]
}

// where returns the path of an entry at the destination, for messages.
func (r *run) where(p string) string { return filepath.Join(r.m.dst, filepath.FromSlash(p)) }
