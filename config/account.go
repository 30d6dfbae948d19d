package config

import "fmt"

// accounts holds tenants of one access key to what tells them apart and to what they
// share: they are tenant spaces of one developer account.
func (d *decoder) accounts(c *Config) {
	of := map[string][]int{} // tenants by access key
	for i := range c.Tenants {
		if f := c.Tenants[i].Files; f != nil && f.AccessKey != "" && !d.bad[filesKey(i)+".access_key"] {
			of[f.AccessKey] = append(of[f.AccessKey], i)
		}
	}
	for i := range c.Tenants {
		if f := c.Tenants[i].Files; f != nil && len(of[f.AccessKey]) > 1 && of[f.AccessKey][0] == i {
			d.account(c, of[f.AccessKey])
		}
	}
}

func filesKey(i int) string { return fmt.Sprintf("tenants[%d].files", i) }

// account looks at the tenants of one access key.
func (d *decoder) account(c *Config, tenants []int) {
	one, ids := tenants[0], first{}
	theirs := c.Tenants[one].Files
	for _, i := range tenants {
		f, key := c.Tenants[i].Files, filesKey(i)
		shared := fmt.Sprintf("the access key is that of %s (line %d), too", filesKey(one), d.where(filesKey(one)+".access_key").line)
		if i == one {
			shared = fmt.Sprintf("the access key is that of %s (line %d), too", filesKey(tenants[1]), d.where(filesKey(tenants[1])+".access_key").line)
		}
		if id := key + ".account_id"; f.AccountID == "" && !d.bad[id] {
			d.report(id, "write the id of its tenant space: without it the platform gives the records of all of them", "the key is missing, and %s", shared)
		} else {
			d.unique(ids, id, f.AccountID, "give each tenant of one access key a tenant space of its own, or another access key")
		}
		for _, k := range []struct {
			name   string
			equal  bool
			remedy string
		}{
			{"secret_key_file", f.SecretKey.Reveal() == theirs.SecretKey.Reveal(), "name a file with the one secret key that belongs to the access key"},
			{"request_spacing", f.RequestSpacing == theirs.RequestSpacing, "write the same for both: they share what the platform allows one access key"},
			{"max_outstanding", f.MaxOutstanding == theirs.MaxOutstanding, "write the same for both: they share what the platform allows one access key"},
		} {
			if at := key + "." + k.name; !k.equal && !d.bad[at] && !d.bad[filesKey(one)+"."+k.name] {
				d.report(at, k.remedy, "the value is another than that of %s, and %s", filesKey(one), shared)
			}
		}
	}
}
