"""Heavy air pollution: from the stations' hourly readings to warnings by level and the city's timed response.

``aqi`` the index, ``forecast`` the days ahead, ``levels`` the rule table, ``detectors`` what watches, ``feed`` the
stations' side of history, ``evaluate`` the judge.
"""
