startTheme();
startTables();
startCharts();
startTimeline();
document.documentElement.dataset.ready = "yes";
