//go:build !permissions

package main

// restrictAll is true with the build tag "permissions".
const restrictAll = false
