module turnout/pause

go 1.26.0
