"""What the application's pages show where SQL alone does not say it: functions that read the city as the person may."""
