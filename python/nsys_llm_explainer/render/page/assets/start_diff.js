startTheme();
startTables();
startCharts();
document.documentElement.dataset.ready = "yes";
