.print ready
