package callbacks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"aiccbridge/schemas"
)

// lookAgain is how often the ledger is asked about a response id that it may learn of.
const lookAgain = 50 * time.Millisecond

// tenantOf tells whose file a callback announces. Of one tenant to a key it is that one's.
// Of several it is the one that the path's token was made for, else the one whose ledger
// alone knows the response id, else the one whose account id the body has; and nobody's if
// these disagree, for the rows of one tenant must not get to another.
func (h *Handler) tenantOf(ctx context.Context, c callback, n schemas.FileNotice) (string, error) {
	all := c.from.tenants
	if len(all) == 1 {
		return all[0].Name, nil
	}
	account := accountOf(all, n.AccountID)
	known, err := h.knowing(ctx, all, n.ResponseID, c.at.tenant == "" && account == "")
	if err != nil {
		return "", err
	}
	tenant := c.at.tenant
	switch {
	case tenant != "":
	case len(known) == 1:
		tenant = known[0]
	case len(known) == 0 || slices.Contains(known, account):
		tenant = account
	}
	why := ""
	switch {
	case len(known) > 1 && tenant == "":
		why = "several tenants of its access key know its response id"
	case tenant == "":
		why = "it has no token in its path, no response id that one tenant alone knows, and no account id of a tenant of its access key"
	case account != "" && account != tenant:
		why = "its account id is that of another tenant than its path or its response id"
	case len(known) > 0 && !slices.Contains(known, tenant):
		why = "its path is that of another tenant than its response id"
	default:
		return tenant, nil
	}
	return "", &schemas.Permanent{Reason: schemas.ReasonUnknownTenant, Err: errors.New(why)}
}

// knowing are the tenants that asked for a file. While it may be one of those whose id is
// not known yet, wait lets the ledger learn it; in vain means that the platform is to call
// again.
func (h *Handler) knowing(ctx context.Context, all []Tenant, responseID string, wait bool) (known []string, err error) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		expected := slices.ContainsFunc(all, func(t Tenant) bool { return h.o.Store.Expects(t.Name) }) // before the look, or it could miss it
		for _, t := range all {
			if h.o.Store.Knows(t.Name, responseID) {
				known = append(known, t.Name)
			}
		}
		if len(known) > 0 || !expected || !wait {
			return known, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for whose callback it is: %w", context.Cause(ctx))
		case <-again.C:
		}
	}
}

// accountOf is the tenant whose account id a callback names; "" if it names none of theirs.
func accountOf(all []Tenant, id string) string {
	for _, t := range all {
		if id != "" && t.AccountID == id {
			return t.Name
		}
	}
	return ""
}

func has(all []Tenant, name string) bool {
	return slices.ContainsFunc(all, func(t Tenant) bool { return t.Name == name })
}

// label names the tenants for people.
func label(all []Tenant) string { return strings.Join(names(all), ",") }

func names(all []Tenant) (list []string) {
	for _, t := range all {
		list = append(list, t.Name)
	}
	return list
}
