package alert

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"mom.internal/cmd/momclient/internal/runlog"
)

// The times and bounds of a Decider.
const (
	FoldTime      = time.Hour   // between two messages that a job is still failing
	CompletedTime = time.Minute // between two messages that runs of a job have succeeded
	MaxChanges    = 6           // messages of a job within FoldTime that say that something has changed
	LostTime      = time.Minute // how long a server is away before that is reported
	MaxSubjects   = 4000        // jobs and servers
)

// Rules select the alerts that are made.
type Rules struct {
	Kinds     map[Kind]bool            // the kinds that some receiver gets; no alert of another kind is made
	Stale     time.Duration            // of every job; 0: never
	StaleJobs map[string]time.Duration // by JOB or SERVER/JOB, where JOB is a name or an ID; takes precedence over Stale
	Stalled   time.Duration            // 0: never
	Names     []string                 // of jobs that are watched, even if no event of them has come
}

// Subject is what a Decider keeps of a job, or of a server, whose JobID and Job are
// zero. A job that the rules name, and of which no event has come yet, has no JobID
// unless that is its name, and no Server if it may be on any of several. The JSON form
// is for the file of package outbox.
type Subject struct {
	Server string      `json:"server"`
	JobID  uuid.UUID   `json:"jobID,omitzero"`
	Job    string      `json:"job,omitempty"`
	First  time.Time   `json:"first"`           // when it was first watched
	Seen   time.Time   `json:"seen"`            // when it last changed
	Good   time.Time   `json:"good,omitzero"`   // the last success
	Bad    Kind        `json:"bad,omitempty"`   // Failed or Lost; "" after a success
	Since  time.Time   `json:"since,omitzero"`  // since when Bad is set
	Why    string      `json:"why,omitempty"`   // of the last failure
	Last   *runlog.Run `json:"last,omitempty"`  // the last run that failed
	Times  int         `json:"times,omitempty"` // failures since Since
	Count  int         `json:"count,omitempty"` // failures since the last message
	Told   Kind        `json:"told,omitempty"`  // the kind of the last message; "" if that was Recovered
	ToldAt time.Time   `json:"toldAt,omitzero"`
	Ok     *runlog.Run `json:"ok,omitempty"`    // the first run that succeeded since the last message, unless that was Recovered
	Done   *runlog.Run `json:"done,omitempty"`  // the last run that succeeded, if it is to be told
	Dones  int         `json:"dones,omitempty"` // successes since the last message about them
	DoneAt time.Time   `json:"doneAt,omitzero"`

	Changes    []time.Time `json:"changes,omitempty"` // of the last messages, at most MaxChanges
	StaleTold  bool        `json:"staleTold,omitempty"`
	StaleSince time.Time   `json:"staleSince,omitzero"` // the last success before that message, or when the job was first watched
	Stalled    uuid.UUID   `json:"stalled,omitzero"`    // the last run that was reported as stalled
}

type key struct {
	server string
	job    uuid.UUID
	name   string // only without a job
}

func (s *Subject) key() key {
	if s.JobID != uuid.Nil {
		return key{server: s.Server, job: s.JobID}
	}
	return key{server: s.Server, name: s.Job}
}

// link is the connection to a server.
type link struct {
	up      bool
	since   time.Time // since when the server is connected or away
	why     string
	learned bool // the monitor has learned the state of the server's jobs; until then it makes no alerts about them
	current bool // all events that the server had when it last accepted the monitor have come
}

// open is a run that has not ended.
type open struct {
	key   key
	id    uuid.UUID
	heard time.Time // when its last event came
}

// Decider decides what is told. It is for one goroutine at a time.
type Decider struct {
	rules    Rules
	subjects map[key]*Subject
	links    map[string]*link
	open     map[uuid.UUID]*open
	alerts   []*Alert
	changed  map[*Subject]bool
}

// New returns a Decider with the subjects of an earlier one.
func New(rules Rules, subjects []Subject) *Decider {
	d := &Decider{
		rules: rules, subjects: make(map[key]*Subject), links: make(map[string]*link),
		open: make(map[uuid.UUID]*open), changed: make(map[*Subject]bool),
	}
	for i := range subjects {
		s := subjects[i]
		d.subjects[s.key()] = &s
	}
	return d
}

// Watch adds a server. learned is false if there was no earlier Decider that has
// learned the state of the server's jobs. Then the Decider first takes the events that
// the server has cached, and makes alerts only about the state of the jobs after them.
func (d *Decider) Watch(server string, learned bool, now time.Time) {
	d.links[server] = &link{since: now, learned: learned}
}

// Expect adds the jobs that the rules name. Call Watch for all servers before.
func (d *Decider) Expect(now time.Time) {
	for _, name := range slices.Concat(d.rules.Names, slices.Collect(maps.Keys(d.rules.StaleJobs))) {
		server, job, _ := strings.Cut(name, "/")
		if d.links[server] == nil {
			server, job = "", name
			if len(d.links) == 1 {
				server = slices.Collect(maps.Keys(d.links))[0]
			}
		}
		id, err := uuid.Parse(job)
		if err != nil || len(job) != 36 {
			id = uuid.Nil
		} else {
			job = ""
		}
		known := false
		for _, s := range d.subjects {
			known = known || (server == "" || s.Server == server) && (id != uuid.Nil && s.JobID == id || id == uuid.Nil && s.Job == job)
		}
		if !known {
			d.subject(server, id, job, now)
		}
	}
}

// Know records the last success of a job that the history has.
func (d *Decider) Know(server string, job uuid.UUID, name string, success, now time.Time) {
	if s := d.subject(server, job, name, now); success.After(s.Good) {
		s.Good, s.StaleTold = success, false
	}
}

// Learned reports whether the Decider has learned the state of the server's jobs.
func (d *Decider) Learned(server string) bool {
	return d.links[server] != nil && d.links[server].learned
}

// Take returns the alerts and the subjects that have changed since the last call.
func (d *Decider) Take() (alerts []*Alert, changed []Subject) {
	alerts, d.alerts = d.alerts, nil
	for s := range d.changed {
		changed = append(changed, *s)
	}
	clear(d.changed)
	return alerts, changed
}

// subject returns the subject, and makes it if there is none.
func (d *Decider) subject(server string, job uuid.UUID, name string, now time.Time) *Subject {
	s := &Subject{Server: server, JobID: job, Job: name, First: now}
	if found := d.subjects[s.key()]; found != nil {
		s = found
		if job != uuid.Nil && name != "" {
			s.Job = name
		}
	} else {
		if named := d.expected(server, job, name); named != nil {
			delete(d.subjects, named.key())
			delete(d.changed, named)
			was := *named
			was.Server, was.JobID, was.Job = server, job, cmp.Or(name, was.Job)
			s = &was
		}
		if len(d.subjects) >= MaxSubjects {
			d.forget()
		}
		d.subjects[s.key()] = s
	}
	s.Seen = now
	d.changed[s] = true
	return s
}

// expected returns the subject of a job that the rules have named before it was seen,
// or nil.
func (d *Decider) expected(server string, job uuid.UUID, name string) *Subject {
	if job == uuid.Nil {
		return nil
	}
	keys := []key{{job: job}}
	if name != "" {
		keys = append(keys, key{server: server, name: name}, key{name: name})
	}
	for _, k := range keys {
		if s := d.subjects[k]; s != nil {
			return s
		}
	}
	return nil
}

// forget makes room for a subject.
func (d *Decider) forget() {
	var oldest *Subject
	for _, s := range d.subjects {
		if oldest == nil || s.Seen.Before(oldest.Seen) {
			oldest = s
		}
	}
	delete(d.subjects, oldest.key())
	delete(d.changed, oldest)
}

// Began adds a run that has begun, or that was running when the monitor began to
// watch. fresh reports whether its first event has just been published.
func (d *Decider) Began(r *runlog.Run, fresh bool, now time.Time) {
	s := d.subject(r.Server, r.JobID, r.Job, now)
	d.open[r.RunID] = &open{key: s.key(), id: r.RunID, heard: now}
	if fresh && !r.DryRun {
		d.ping(s, Started, r, now)
	}
}

// ping makes an alert of a kind for a dead man's switch. These are not folded.
func (d *Decider) ping(s *Subject, kind Kind, r *runlog.Run, now time.Time) {
	if !d.learned(s) {
		return
	}
	if a := d.alert(s, kind, r.RunID.String(), now); a != nil {
		a.RunID, a.Why = r.RunID, r.Why()
		if kind != Started {
			a.Run = r
		}
		a.describe(0, false)
	}
}

// Heard records that an event of the run has come.
func (d *Decider) Heard(run uuid.UUID, now time.Time) {
	if r := d.open[run]; r != nil {
		r.heard = now
	}
}

// Ended adds a run that has ended or is lost.
func (d *Decider) Ended(r *runlog.Run, now time.Time) {
	delete(d.open, r.RunID)
	s := d.subject(r.Server, r.JobID, r.Job, now)
	switch {
	case r.DryRun:
		return
	case r.Succeeded():
		if r.Ended.After(s.Good) {
			s.Good = r.Ended
		}
		s.Bad, s.StaleTold = "", false
		d.ping(s, Succeeded, r, now)
		if s.Ok == nil && (s.Told != "" || s.Count > 0) {
			s.Ok = r
		}
		if d.rules.Kinds[Completed] {
			s.Done = r
			s.Dones++
		}
	case !r.Failed():
		return
	default:
		if d.ping(s, Broken, r, now); r.Lost != "" && !d.rules.Kinds[Lost] {
			return
		}
		if s.Times == 0 {
			s.Since = r.Ended
		}
		s.Ok = nil
		if s.Bad = Failed; r.Lost != "" {
			s.Bad = Lost
		}
		s.Why, s.Last = r.Why(), r
		s.Times++
		s.Count++
	}
	d.look(s, now)
}

// Connected records that the server has accepted the monitor.
func (d *Decider) Connected(server string, now time.Time) {
	l := d.links[server]
	l.current = false
	if !l.up {
		l.up, l.since = true, now
		for _, r := range d.open {
			if r.key.server == server {
				r.heard = now // nobody knows what it did meanwhile
			}
		}
	}
	if s := d.subjects[key{server: server}]; s != nil && s.Bad != "" {
		s.Bad, s.Seen = "", now
		d.changed[s] = true
		d.look(s, now)
	}
}

// CaughtUp records that all events that the server had when it accepted the monitor
// have come. With the first call, the Decider has learned the state of the server's jobs.
func (d *Decider) CaughtUp(server string, now time.Time) {
	l := d.links[server]
	if l.current = true; l.learned {
		return
	}
	l.learned = true
	for _, s := range d.sorted() {
		if s.Server != server || s.aboutServer() {
			continue
		}
		s.Done, s.Dones, s.Ok = nil, 0, nil // earlier successes are not reported
		if s.Bad == "" {
			s.Count, s.Times = 0, 0
		} else if s.Last != nil {
			d.ping(s, Broken, s.Last, now)
		}
		d.changed[s] = true
		d.look(s, now)
	}
}

// Away records that the server is away, and why. If it is away for good, the
// monitor does not try again.
func (d *Decider) Away(server, why string, forGood bool, now time.Time) {
	l := d.links[server]
	if l.up {
		l.up, l.since = false, now
	}
	l.why = why
	if forGood {
		d.lost(server, l, now)
	}
}

// lost makes an alert that the server is away.
func (d *Decider) lost(server string, l *link, now time.Time) {
	if !d.rules.Kinds[Lost] {
		return
	}
	s := d.subject(server, uuid.Nil, "", now)
	if s.Bad == "" {
		s.Bad, s.Since, s.Why, s.Times, s.Count = Lost, l.since, l.why, 1, 1
		d.look(s, now)
	}
}

// Look makes the alerts that become due as time passes. The caller calls it once a
// second.
func (d *Decider) Look(now time.Time) {
	for server, l := range d.links {
		if !l.up && now.Sub(l.since) >= LostTime && d.subjects[key{server: server}].good() {
			d.lost(server, l, now)
		}
	}
	known := d.known(now)
	for _, s := range d.sorted() {
		if s.Server != "" && d.links[s.Server] == nil {
			continue // nobody watches the server any more
		}
		if known[s.Server] {
			d.stale(s, now)
		}
		d.look(s, now)
	}
	d.stalled(now)
}

func (s *Subject) aboutServer() bool { return s.JobID == uuid.Nil && s.Job == "" }

// good reports whether the subject is not known to be failing or away.
func (s *Subject) good() bool { return s == nil || s.Bad == "" }

// learned reports whether alerts about the subject are made.
func (d *Decider) learned(s *Subject) bool {
	return s.Server == "" || s.aboutServer() || d.Learned(s.Server)
}

// known returns the servers whose jobs the monitor has in their present state, and those
// that have been away for LostTime, because it cannot wait for these any longer. The
// result has "" if it has all servers.
func (d *Decider) known(now time.Time) map[string]bool {
	known := map[string]bool{"": true}
	for server, l := range d.links {
		known[server] = l.current || !l.up && now.Sub(l.since) >= LostTime
		known[""] = known[""] && known[server]
	}
	return known
}

// sorted returns the subjects in a fixed order.
func (d *Decider) sorted() []*Subject {
	return slices.SortedFunc(maps.Values(d.subjects), func(a, b *Subject) int {
		return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Job, b.Job), bytes.Compare(a.JobID[:], b.JobID[:]))
	})
}

// look makes the alerts about the subject that are due.
func (d *Decider) look(s *Subject, now time.Time) {
	if !d.learned(s) {
		return
	}
	s.Changes = slices.DeleteFunc(s.Changes, func(at time.Time) bool { return now.Sub(at) >= FoldTime })
	may := len(s.Changes) < MaxChanges
	failing := s.Told == Failed || s.Told == Lost
	switch {
	case s.Bad != "" && !failing && may:
		d.failed(s, false, now)
	case s.Bad != "" && failing && s.Count > 0 && now.Sub(s.ToldAt) >= FoldTime:
		d.failed(s, true, now)
	case s.Bad == "" && (s.Told != "" || s.Count > 0) && may && (s.Ok != nil || s.aboutServer()):
		d.recovered(s, now)
	}
	if s.Done != nil && now.Sub(s.DoneAt) >= CompletedTime {
		d.completed(s, now)
	}
}

// failed makes an alert that the subject has failed or, with again, is still
// failing.
func (d *Decider) failed(s *Subject, again bool, now time.Time) {
	what := s.Since.UTC().Format(time.RFC3339Nano)
	if s.Last != nil {
		what = s.Last.RunID.String()
	}
	s.told(s.Bad, now)
	if a := d.alert(s, s.Bad, what, now); a != nil {
		a.Since, a.Why, a.Run = s.Since, s.Why, s.Last
		if a.Run != nil {
			a.RunID = a.Run.RunID
		}
		if s.Count > 1 || again {
			a.Count = s.Count
		}
		a.describe(s.Times, again)
	}
	s.Count = 0
}

func (d *Decider) recovered(s *Subject, now time.Time) {
	what := s.Since.UTC().Format(time.RFC3339Nano)
	if s.Ok != nil {
		what = s.Ok.RunID.String()
	}
	s.told("", now)
	if a := d.alert(s, Recovered, what, now); a != nil {
		a.Since, a.Run, a.Count = cmp.Or(s.Since, s.StaleSince), s.Ok, s.Times
		if a.Run != nil {
			a.RunID = a.Run.RunID
		}
		a.describe(s.Times, false)
	}
	s.Count, s.Times, s.Since, s.StaleSince, s.Why, s.Last, s.Ok = 0, 0, time.Time{}, time.Time{}, "", nil, nil
}

func (d *Decider) completed(s *Subject, now time.Time) {
	if a := d.alert(s, Completed, s.Done.RunID.String(), now); a != nil {
		a.RunID, a.Run = s.Done.RunID, s.Done
		if s.Dones > 1 {
			a.Count = s.Dones
		}
		a.describe(0, false)
	}
	s.Done, s.Dones, s.DoneAt, s.Seen = nil, 0, now, now
	d.changed[s] = true
}

// told records that an alert about a change was made.
func (s *Subject) told(kind Kind, now time.Time) {
	s.Told, s.ToldAt, s.Seen = kind, now, now
	s.Changes = append(s.Changes, now)
}

// stale makes an alert, once, if no run of the job has succeeded for the time of
// the rules.
func (d *Decider) stale(s *Subject, now time.Time) {
	limit := d.rules.Stale
	for _, name := range []string{s.Job, s.JobID.String(), s.Server + "/" + s.Job, s.Server + "/" + s.JobID.String()} {
		if own, has := d.rules.StaleJobs[name]; has {
			limit = own
		}
	}
	since, seen := s.First, 0
	if !s.Good.IsZero() {
		since, seen = s.Good, 1
	}
	if s.aboutServer() || limit <= 0 || s.StaleTold || now.Sub(since) < limit || len(s.Changes) >= MaxChanges {
		return
	}
	s.StaleTold, s.StaleSince = true, since
	if was := s.Told; was == Failed || was == Lost {
		s.told(was, s.ToldAt) // so that the next count of failures is reported when it is due
	} else {
		s.told(Stale, now)
	}
	d.changed[s] = true
	if a := d.alert(s, Stale, since.UTC().Format(time.RFC3339Nano), now); a != nil {
		a.Since = since
		a.describe(seen, false)
	}
}

// stalled makes an alert, once for each run, if the run has not changed for the
// time of the rules. It leaves out servers that are away, because nothing is known
// of their runs.
func (d *Decider) stalled(now time.Time) {
	if d.rules.Stalled <= 0 {
		return
	}
	for _, r := range d.open {
		l, s := d.links[r.key.server], d.subjects[r.key]
		if s == nil || l == nil || !l.up || !l.current || now.Sub(r.heard) < d.rules.Stalled || s.Stalled == r.id || len(s.Changes) >= MaxChanges {
			continue
		}
		s.Stalled = r.id
		if s.Told == "" {
			s.told(Stalled, now)
		}
		d.changed[s] = true
		if a := d.alert(s, Stalled, r.id.String(), now); a != nil {
			a.RunID, a.Since = r.id, r.heard
			a.describe(0, false)
		}
	}
}

// alert adds an alert about the subject. The caller sets its text. alert returns
// nil if nobody gets alerts of this kind.
func (d *Decider) alert(s *Subject, kind Kind, what string, now time.Time) *Alert {
	d.changed[s] = true
	if !d.rules.Kinds[kind] {
		return nil
	}
	a := &Alert{ID: newID(kind, s.Server, jobKey(s), what), Kind: kind, Time: now.UTC(), Server: s.Server, JobID: s.JobID, Job: s.Job}
	d.alerts = append(d.alerts, a)
	return a
}

// jobKey returns the ID of the job, or an ID made from its name, so that the alerts
// of two jobs that were not seen yet have different IDs.
func jobKey(s *Subject) uuid.UUID {
	if s.JobID == uuid.Nil && s.Job != "" {
		return uuid.NewSHA1(space, []byte(s.Job))
	}
	return s.JobID
}
