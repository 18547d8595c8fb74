// Gin is a service without authentication, on gin.
package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"
)

func main() {
	engine := gin.New()
	engine.GET("/", func(c *gin.Context) { c.String(http.StatusOK, "Hello!\n") })
	fmt.Fprintln(os.Stderr, engine.Run("127.0.0.1:8080"))
}
