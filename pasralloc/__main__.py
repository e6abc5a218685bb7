from pasralloc.cli.main import main

main()
