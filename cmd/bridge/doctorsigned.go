package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/rs/zerolog"

	"aiccbridge/config"
	"aiccbridge/internal/cccms"
	"aiccbridge/internal/ccfs"
	"aiccbridge/internal/doctor"
)

// signatureCheck is the check of lines about a signed request.
const signatureCheck = "signature"

// signed has one file store under each access key asked once, and each monitor, with a signature;
// end closes what asks.
func signed(cfg *config.Config, end *closers) (all []doctor.Look, err error) {
	stores, byKey := map[string]bool{}, map[string][]doctor.Look{}
	for _, t := range cfg.Tenants {
		if t.Files != nil && !stores[t.Files.AccessKey] {
			client, err := storeClient(cfg, t, zerolog.Nop())
			if err != nil {
				return nil, err
			}
			end.add(client.Close)
			key := t.Files.AccessKey
			look := doctor.Store{About: "file store of " + t.Name, Client: client, Signature: signature(t.Files)}.Look
			stores[key], byKey[key] = true, append(byKey[key], look)
		}
		if t.Monitor != nil {
			client, err := cccms.New(monitorOptions(t, budget(cfg, t.Monitor), zerolog.Nop()))
			if err != nil {
				return nil, err
			}
			end.add(client.Close)
			byKey[t.Monitor.AccessKey] = append(byKey[t.Monitor.AccessKey], ping("monitor of "+t.Name, client))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		all = append(all, untilRefused(byKey[key]))
	}
	return all, nil
}

// untilRefused are looks one after the other: a key that was refused is not tried again.
func untilRefused(looks []doctor.Look) doctor.Look {
	return func(ctx context.Context) (lines []doctor.Line) {
		for i, look := range looks {
			got := look(ctx)
			lines = append(lines, got...)
			refused := slices.ContainsFunc(got, func(l doctor.Line) bool { return l.Check == signatureCheck && l.Status == doctor.Failure })
			if refused && i+1 < len(looks) {
				return append(lines, doctor.Line{
					Check: signatureCheck, About: got[0].About, Status: doctor.Warning,
					Says: "what else is asked under the same access key was not asked: a second refusal may lock this address", Cure: "mend the failure above, and run this again",
				})
			}
		}
		return lines
	}
}

// ping asks a monitor once.
func ping(about string, client *cccms.Client) doctor.Look {
	return func(ctx context.Context) (lines []doctor.Line) {
		err := client.Ping(ctx)
		if skew, known := client.Skew(); known {
			lines = append(lines, doctor.Skew(about, skew))
		}
		return append(lines, judgePing(about, err))
	}
}

// judgePing is what the answer of a monitor says, and what to do about it.
func judgePing(about string, err error) doctor.Line {
	if err == nil {
		return doctor.Line{Check: signatureCheck, About: about, Status: doctor.OK, Says: "the monitor answers, and takes a signed request"}
	}
	cure := "see the lines above about the same monitor, and whether monitor.url has the path of CC-CMS, /rest/cmsapp/v1/openapi"
	if e := (*ccfs.Error)(nil); errors.As(err, &e) {
		switch e.Class {
		case ccfs.Auth:
			cure = "see whether access_key and secret_key_file are those of the platform and may use CC-CMS, whether the clocks agree, and try signed_headers: host; nothing was tried again"
		case ccfs.Locked:
			cure = "wait until the lock is over, and mend what the platform refused before: every further request makes it longer"
		case ccfs.Firewall:
			cure = "have this machine's address registered with the platform's operator, and the firewall or proxy on the way let requests to monitor.url through"
		}
	}
	return doctor.Line{Check: signatureCheck, About: about, Status: doctor.Failure, Says: "a signed request is not answered well: " + err.Error(), Cure: cure}
}
