package exposition

import (
	"slices"
	"time"
)

// MaxJobs bounds the jobs that a page of metrics has.
const MaxJobs = 1000

// Job is a job as the metrics show it. Times, the duration and the outcome are left
// out if they are zero; counts are not.
type Job struct {
	Labels       []string // names and values in turn
	Running      int
	FirstChange  time.Time
	LastChange   time.Time
	LastSuccess  time.Time
	LastEnd      time.Time
	LastDuration time.Duration
	LastOutcome  string
	RunsEnded    []Count
	Bytes        uint64
	Files        uint64
	Errors       uint64
}

// Count is a number of runs that ended with an outcome.
type Count struct {
	Outcome string
	Runs    uint64
}

// Jobs adds the metrics of the jobs, and the number of jobs that are left out. The
// names of the metrics begin with the prefix.
func (w *Writer) Jobs(prefix string, jobs []Job, leftOut int) {
	w.Gauge(prefix+"_jobs_left_out", "Jobs without metrics of their own, because only those that changed last have them.", float64(leftOut))
	prefix += "_job_"
	w.jobs(prefix+"running", "gauge", "Runs of the job that have not ended.", jobs, func(j *Job, add add) { add(float64(j.Running)) })
	for _, m := range []struct {
		name, help string
		at         func(*Job) time.Time
	}{
		{"first_change", "When the job first changed, as far as that is known", func(j *Job) time.Time { return j.FirstChange }},
		{"last_change", "When the job last changed; the progress of a run is a change, too", func(j *Job) time.Time { return j.LastChange }},
		{"last_success", "When a run of the job last succeeded", func(j *Job) time.Time { return j.LastSuccess }},
		{"last_end", "When a run of the job last ended", func(j *Job) time.Time { return j.LastEnd }},
	} {
		w.jobs(prefix+m.name+"_timestamp_seconds", "gauge", m.help+", in seconds since 1970.", jobs, func(j *Job, add add) {
			if at := m.at(j); !at.IsZero() {
				add(Seconds(at))
			}
		})
	}
	w.jobs(prefix+"last_duration_seconds", "gauge", "How long the run of the job that ended last took.", jobs, func(j *Job, add add) {
		if j.LastDuration > 0 {
			add(j.LastDuration.Seconds())
		}
	})
	w.jobs(prefix+"last_outcome", "gauge", "1, with the outcome of the run of the job that ended last.", jobs, func(j *Job, add add) {
		if j.LastOutcome != "" {
			add(1, "outcome", j.LastOutcome)
		}
	})
	w.jobs(prefix+"runs_ended_total", "counter", "Runs of the job that have ended, by outcome, without dry runs.", jobs, func(j *Job, add add) {
		for _, c := range j.RunsEnded {
			add(float64(c.Runs), "outcome", c.Outcome)
		}
	})
	for _, m := range []struct {
		name, help string
		sum        func(*Job) uint64
	}{
		{"bytes", "Bytes that arrived", func(j *Job) uint64 { return j.Bytes }},
		{"files", "Files that were mirrored", func(j *Job) uint64 { return j.Files }},
		{"errors", "Errors", func(j *Job) uint64 { return j.Errors }},
	} {
		w.jobs(prefix+m.name+"_total", "counter", m.help+", summed over the runs of the job that have ended, without dry runs.", jobs, func(j *Job, add add) { add(float64(m.sum(j))) })
	}
}

// add adds a sample of a job. labels are added to those of the job.
type add func(value float64, labels ...string)

// jobs adds a metric with the samples of each job, or nothing if there are none.
func (w *Writer) jobs(name, kind, help string, jobs []Job, samples func(*Job, add)) {
	begun := false
	for i := range jobs {
		j := &jobs[i]
		samples(j, func(value float64, labels ...string) {
			if !begun {
				w.Family(name, kind, help)
				begun = true
			}
			w.Sample(name, value, slices.Concat(j.Labels, labels)...)
		})
	}
}
