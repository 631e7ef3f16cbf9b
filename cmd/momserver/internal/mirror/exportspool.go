package mirror

import (
	"io"
	"os"
)

// exportSpool is the file in which packages are made, one after the other. It
// has no name, so that nothing is left if the process is killed.
type exportSpool struct {
	file  *os.File // nil before the first package
	named bool     // the system cannot remove open files
}

// spoolError is an error of the export spool, and not of the entry that was
// being written.
type spoolError struct{ err error }

func (e *spoolError) Error() string {
	return "cannot keep the package in " + os.TempDir() + ": " + plain(e.err).Error()
}
func (e *spoolError) Unwrap() error { return e.err }

// empty returns the spool without content.
func (s *exportSpool) empty() (*os.File, error) {
	if s.file == nil {
		f, err := os.CreateTemp("", "momserver-*.tar")
		if err != nil {
			return nil, &spoolError{err}
		}
		s.file, s.named = f, os.Remove(f.Name()) != nil
	}
	if err := s.file.Truncate(0); err != nil {
		return nil, &spoolError{err}
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return nil, &spoolError{err}
	}
	return s.file, nil
}

func (s *exportSpool) close() {
	if s.file == nil {
		return
	}
	s.file.Close()
	if s.named {
		os.Remove(s.file.Name())
	}
}

// spoolWriter marks errors of the spool, so that they are not taken for errors
// of the entry.
type spoolWriter struct{ f *os.File }

func (w spoolWriter) Write(p []byte) (int, error) {
	n, err := w.f.Write(p)
	if err != nil {
		err = &spoolError{err}
	}
	return n, err
}
