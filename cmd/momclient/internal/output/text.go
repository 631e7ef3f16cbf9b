package output

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/width"
	"mom.internal/wire"
)

// Bounds of the column of job names. The column grows with the names, and a name
// that is too long loses its middle. An ID fits.
const (
	minNameWidth = 12
	maxNameWidth = 36
)

// textPrinter writes each event as a line with these columns:
//
//	time, sequence number, server, job, state, package, progress, bytes, details
//
// There is a server only if the monitor watches several. If there is a gap or a restart
// of the server before the event, a line of its own reports that, within the same write.
type textPrinter struct {
	w       io.Writer
	loc     *time.Location
	width   int                  // of the column of job names
	servers int                  // width of the column of servers
	epochs  map[string]uuid.UUID // by server
}

func newTextPrinter(w io.Writer) *textPrinter {
	return &textPrinter{w: w, loc: time.Local, width: minNameWidth, epochs: make(map[string]uuid.UUID)}
}

func (p *textPrinter) Print(server string, e *wire.Event) error {
	var b strings.Builder
	which := "the server"
	if server != "" {
		which = "the server " + Clean(server)
	}
	if last := p.epochs[server]; last != uuid.Nil && e.Epoch != last {
		fmt.Fprintf(&b, "--- %s was restarted: epoch %v, sequence numbers begin again ---\n", which, e.Epoch)
	}
	p.epochs[server] = e.Epoch
	if e.Missed > 0 {
		from := ""
		if server != "" {
			from = " of " + which
		}
		fmt.Fprintf(&b, "--- missed %s%s ---\n", Plural(e.Missed, "event"), from)
	}
	b.WriteString(p.line(server, e))
	b.WriteByte('\n')
	_, err := io.WriteString(p.w, b.String())
	return err
}

func (p *textPrinter) line(server string, e *wire.Event) string {
	if server != "" {
		server = ClipMiddle(Clean(server), maxNameWidth)
		n := width.String(server)
		p.servers = max(p.servers, n)
		server += strings.Repeat(" ", p.servers-n) + "  "
	}
	name := Clean(e.Name())
	if name == "" {
		name = e.JobID.String()
	}
	name = ClipMiddle(name, maxNameWidth)
	n := width.String(name)
	p.width = max(p.width, n)
	line := fmt.Sprintf("%-23s %7d  %s%s%*s  %-18s %-7s %4s %21s  %s",
		p.when(e), e.Seq, server, name, p.width-n, "",
		shortState(e), packageColumn(e), percent(e), bytesColumn(e), strings.Join(details(e), "; "))
	return strings.TrimRight(line, " ")
}

// ClipMiddle returns text if it fits into n columns, or else the beginning and
// the end of text. Similar names often differ only in one of these.
func ClipMiddle(text string, n int) string {
	if width.String(text) <= n {
		return text
	}
	head, taken := width.Clip(text, (n+1)/2, "…")
	tail := len(text)
	for at := tail; at > 0; {
		r, size := utf8.DecodeLastRuneInString(text[:at])
		at -= size
		if taken += width.Rune(r); taken > n {
			break
		}
		if width.Rune(r) > 0 { // otherwise r is a combining mark, and belongs to the character before it
			tail = at
		}
	}
	return head + text[tail:]
}

// when returns the time at which the change was over.
func (p *textPrinter) when(e *wire.Event) string {
	t := e.Data.Status.ReceivedTime
	if t.IsZero() {
		t = e.Data.Status.SentTime
	}
	if t.IsZero() {
		return "-"
	}
	return t.In(p.loc).Format("2006-01-02 15:04:05.000")
}

// shortState returns the name of the state without the prefix that most names
// have. It gets a mark if the run completed without success.
func shortState(e *wire.Event) string {
	name := strings.TrimPrefix(e.Data.Status.State.String(), "Mirroring")
	if e.Data.Status.State == wire.JobCompleted && e.Outcome() != wire.Succeeded {
		name += "!"
	}
	return name
}

func packageColumn(e *wire.Event) string {
	h, total := e.Data.Header, e.Data.Progress.PackagesTotal
	switch {
	case h == nil:
		return ""
	case total > 0:
		return fmt.Sprintf("#%d/%d", h.Number, total)
	}
	return fmt.Sprintf("#%d", h.Number)
}

// percent never rounds up to 100. A run that succeeded has 100, even if there was
// nothing to mirror.
func percent(e *wire.Event) string {
	switch {
	case e.Outcome() == wire.Succeeded:
		return "100%"
	case !e.Data.Progress.Known():
		return "–"
	}
	return fmt.Sprintf("%d%%", int(e.Data.Progress.Fraction()*100))
}

func bytesColumn(e *wire.Event) string {
	p := &e.Data.Progress
	switch {
	case p.BytesTotal > 0:
		return Size(p.BytesDone) + "/" + Size(p.BytesTotal)
	case p.BytesDone > 0:
		return Size(p.BytesDone)
	}
	return ""
}

// DryRun marks a dry run.
const DryRun = "[dry run]"

// details returns the parts without a column: marks, the item, the log.
func details(e *wire.Event) []string {
	var list []string
	if e.Snapshot {
		list = append(list, "[snapshot]")
	}
	if i := e.Data.Initialize; i != nil && i.DryRun {
		list = append(list, DryRun)
	}
	if e.Data.Body != nil && e.Data.Body.Item != "" {
		list = append(list, Clean(e.Data.Body.Item))
	}
	switch n := e.Data.Progress.FilesChecked; {
	case e.EndsRun():
		list = append(list, outcomeWord(e.Outcome())+": "+Summary(&e.Data.Progress))
	case e.Data.Status.State == wire.JobInitialized && n > 0:
		list = append(list, Plural(n, "file")+" checked")
	}
	for i := range e.Data.Status.Log {
		list = append(list, logText(&e.Data.Status.Log[i]))
	}
	return list
}

func outcomeWord(o wire.Outcome) string {
	switch o {
	case wire.Succeeded, wire.Failed, wire.Cancelled:
		return strings.ToLower(o.String())
	case wire.SucceededWithErrors:
		return "with errors"
	}
	return o.String()
}

// Summary describes the result of a run.
func Summary(p *wire.Progress) string {
	parts := []string{Plural(p.FilesDone, "file"), Plural(p.PackagesDone, "package")}
	for _, of := range []struct {
		n    int
		what string
	}{{p.FilesSkipped, "skipped"}, {p.FilesDeleted, "deleted"}, {p.FilesChecked, "checked"}} {
		if of.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", of.n, of.what))
		}
	}
	switch {
	case p.Retries == 1:
		parts = append(parts, "1 retry")
	case p.Retries > 1:
		parts = append(parts, fmt.Sprintf("%d retries", p.Retries))
	}
	if p.PackagesFailed > 0 {
		parts = append(parts, Plural(p.PackagesFailed, "package")+" failed")
	}
	if p.Warnings > 0 {
		parts = append(parts, Plural(p.Warnings, "warning"))
	}
	if p.Errors > 0 {
		parts = append(parts, Plural(p.Errors, "error"))
	}
	return strings.Join(parts, ", ")
}

func logText(entry *wire.LogEntry) string {
	label := "note"
	switch entry.Severity {
	case wire.SeverityWarning:
		label = "warning"
	case wire.SeverityError:
		label = "error"
	}
	if entry.Item != "" {
		label += ": " + Clean(entry.Item)
	}
	return label + ": " + Clean(entry.Message)
}

func Plural[T int | uint64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
