"""Block data: the same firm, site, vehicle of many departments becomes one subject, with links and areas."""
