//go:build permissions

package main

// restrictAll gives every scene a restricted hub.
const restrictAll = true
