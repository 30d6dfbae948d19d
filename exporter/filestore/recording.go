package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"aiccbridge/internal/ccfs"
)

// Ways are the names of those by which audio can be asked for, each of the column, or the
// store, that it goes by.
const (
	ByFileName = "file_name"          // downloadRecordFile
	ByOriginal = "original_file_name" // downloadRecord
	ByCallID   = "call_id"            // downloadRecord, too
	ByAddress  = "obs"                // getRecordFileUrlFromObs
)

// Recording is what a row of the recording index says of its audio.
type Recording struct {
	FileName, Original, CallID, CCID string
	Begin, End                       time.Time
}

// ErrUnnamed says that a row does not hold what a way goes by.
var ErrUnnamed = errors.New("the row does not hold what this way goes by")

// Audio writes the audio of a recording to w, a WAV or a ZIP of several, asked for by one
// of the ways. Errors of the platform are *ccfs.Error.
func (s *Store) Audio(ctx context.Context, way string, r Recording, w io.Writer) (err error) {
	needs := map[string][]bool{
		ByFileName: {r.FileName != ""}, ByOriginal: {r.Original != ""}, ByCallID: {r.CallID != ""},
		ByAddress: {r.CallID != "", !r.Begin.IsZero(), !r.End.IsZero()},
	}
	if slices.Contains(needs[way], false) {
		return ErrUnnamed
	}
	switch way {
	case ByFileName:
		_, err = s.o.Client.DownloadRecording(ctx, r.FileName, w)
	case ByOriginal:
		_, err = s.o.Client.DownloadOriginal(ctx, ccfs.Original{FileName: r.Original, CCID: r.CCID}, w)
	case ByCallID:
		_, err = s.o.Client.DownloadOriginal(ctx, ccfs.Original{CallID: r.CallID, CCID: r.CCID}, w)
	case ByAddress:
		err = s.audioAt(ctx, r, w)
	default:
		err = fmt.Errorf("there is no way %q to audio", way)
	}
	return err
}

// audioAt asks where the audio is, then for what is there. Of several recordings nothing
// tells which one is meant.
func (s *Store) audioAt(ctx context.Context, r Recording, w io.Writer) error {
	from, to := r.Begin.In(s.o.Zone), r.End.In(s.o.Zone)
	_, began := from.Zone()
	_, ended := to.Zone()
	to = to.Add(max(0, time.Duration(began-ended)*time.Second)) // a clock that was put back meanwhile shows less
	all, err := s.o.Client.RequestStored(ctx, ccfs.Stored{CallID: r.CallID, From: from, To: to})
	if err != nil {
		return err
	}
	if len(all) != 1 {
		return &ccfs.Error{
			Operation: "getRecordFileUrlFromObs", Class: ccfs.NotThere,
			Message: fmt.Sprintf("there are %d recordings of the call in this time, and nothing tells which one is meant", len(all)),
		}
	}
	_, err = s.o.Client.Open(ctx, all[0], w)
	return err
}
