"""监测预警: detectors look at what has just landed; their findings become one alert per matter, with evidence."""
