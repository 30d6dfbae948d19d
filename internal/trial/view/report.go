package view

import (
	"fmt"
	"io"

	"aiccbridge/internal/truthcheck"
)

// Print writes a report for people.
func Print(out io.Writer, r truthcheck.Report) {
	fmt.Fprintf(out, "\nCompared with what the simulator did:\n")
	fmt.Fprintf(out, "  events  %d popped, %d stored, %s\n", r.Events.Popped, r.Events.Stored, count(r.Events.Gaps, "gap"))
	fmt.Fprintf(out, "  files   %d made, %d accepted, %d failed\n", r.Files.Made, r.Files.Accepted, r.Files.Failed)
	fmt.Fprintf(out, "  rows    %d in files, %d in the stream, %s\n", r.Rows.InFiles, r.Rows.InStream, count(r.Rows.Duplicates, "duplicate"))
	if r.Calls != nil {
		fmt.Fprintf(out, "  calls   %d in files, %d in the stream, %s\n", r.Calls.InFiles, r.Calls.InStream, count(r.Calls.Duplicates, "duplicate"))
	}
	if audio := r.Recordings; audio != nil {
		fmt.Fprintf(out, "  audio   %d recordings, %d stored, %d missing, %s\n", audio.InTruth, audio.Stored, audio.Missing, count(audio.Requests, "request"))
	}
	for _, p := range r.Problems {
		fmt.Fprintf(out, "  problem: %s\n", p)
	}
	if r.OK {
		fmt.Fprintln(out, "Everything is there, once.")
	} else {
		fmt.Fprintln(out, "The streams differ from the truth.")
	}
}

// count is a number of things in words.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprint(n, " ", thing)
}
