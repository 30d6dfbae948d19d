package filestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/ccfs"
	"aiccbridge/schemas"
)

// TestFailing: a file store fails while nothing at all is had of it, whatever the reason;
// what it says of one window or file is an answer.
func TestFailing(t *testing.T) {
	down := &ccfs.Error{Class: ccfs.Again, Err: errors.New("connection refused")}
	of := func(c ccfs.Class) error { return &ccfs.Error{Class: c, Message: "refused"} }
	for name, c := range map[string]struct {
		ends []error // of calls half a minute apart
		wait time.Duration
		want bool
	}{
		"works":                    {[]error{nil, nil, nil, nil}, 0, false},
		"unreachable":              {[]error{down, down, down}, 0, true},
		"refuses the key":          {[]error{of(ccfs.Auth), of(ccfs.Auth), of(ccfs.Auth)}, 0, true},
		"locked":                   {[]error{of(ccfs.Locked), of(ccfs.Locked), of(ccfs.Locked)}, 0, true},
		"a firewall":               {[]error{of(ccfs.Firewall), of(ccfs.Firewall), of(ccfs.Firewall)}, 0, true},
		"wants less for long":      {[]error{of(ccfs.FlowControl), of(ccfs.FlowControl), of(ccfs.FlowControl)}, 0, true},
		"odd answers":              {[]error{of(ccfs.Broken), of(ccfs.Broken), of(ccfs.Broken)}, 0, true},
		"one after another":        {[]error{down, of(ccfs.Auth), of(ccfs.Firewall)}, 0, true},
		"not long enough":          {[]error{down, down}, 0, false},
		"once, long ago":           {[]error{down}, 10 * time.Minute, false},
		"works in between":         {[]error{down, down, nil, down, down}, 0, false},
		"works again":              {[]error{down, down, down, nil}, 0, false},
		"refuses windows":          {[]error{of(ccfs.Permanent), of(ccfs.Permanent), of(ccfs.Permanent)}, 0, false},
		"knows no file":            {[]error{down, down, of(ccfs.NotThere)}, 0, false},
		"nobody asks any more":     {[]error{down, down, down}, time.Hour, false},
		"stopped by us":            {[]error{&ccfs.Error{Class: ccfs.Again, Err: context.Canceled}, down, context.Canceled}, 0, false},
		"the disk of the bridge's": {[]error{errors.New("no space"), errors.New("no space"), errors.New("no space")}, 0, false},
	} {
		for _, what := range []string{"request", "file"} {
			synctest.Test(t, func(t *testing.T) {
				s, client := store(t, "UTC")
				for i, end := range c.ends {
					if i > 0 {
						time.Sleep(30 * time.Second)
					}
					client.err = end
					if what == "request" {
						_, _ = s.Query(t.Context(), schemas.WindowRequest{Kind: schemas.KindCDR})
					} else {
						_, _ = s.Download(t.Context(), schemas.FileReady{Kind: schemas.KindCDR}, io.Discard)
					}
				}
				time.Sleep(c.wait)
				err := s.Failing(time.Minute)
				if (err != nil) != c.want || err != nil && (!strings.Contains(err.Error(), what) || !errors.Is(err, c.ends[len(c.ends)-1])) {
					t.Errorf("%s, %s: %v", name, what, err)
				}
			})
		}
	}
}

// One way that works does not hide that the other does not.
func TestFailingOneWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, client := store(t, "UTC")
		for range 4 {
			client.err = nil
			_, _ = s.Query(t.Context(), schemas.WindowRequest{Kind: schemas.KindCDR})
			client.err = fmt.Errorf("wrapped: %w", &ccfs.Error{Class: ccfs.Again})
			_, _ = s.Download(t.Context(), schemas.FileReady{Kind: schemas.KindCDR}, io.Discard)
			time.Sleep(30 * time.Second)
		}
		if err := s.Failing(time.Minute); err == nil {
			t.Error("it counts as working")
		}
	})
}
