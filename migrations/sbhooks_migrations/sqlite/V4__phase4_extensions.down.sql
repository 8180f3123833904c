-- derived: skill_metrics_cache skill_time_series skill_community_baselines
-- derived rows: skill_dependencies where co_occurrence_count > 0

DROP VIEW v_multimodal_skill_catalog;
DROP VIEW v_ab_test_summary;
DROP VIEW v_skill_dependency_network;
DROP VIEW v_community_baseline_comparison;
DROP VIEW v_skill_effectiveness_trend;
DROP VIEW v_realtime_skill_dashboard;
DROP TRIGGER trg_metrics_cache_after_insert;
DROP TABLE skill_modalities;
DROP TABLE skill_dependencies;
DROP TABLE skill_category_mapping;
DROP TABLE skill_categories;
DROP TABLE ab_test_outcomes;
DROP TABLE ab_test_assignments;
DROP TABLE ab_test_configs;
DROP TABLE skill_cluster_membership;
DROP TABLE skill_clusters;
DROP TABLE skill_user_interactions;
DROP TABLE skill_community_baselines;
DROP TABLE skill_anomalies;
DROP TABLE skill_time_series;
DROP TABLE skill_metrics_cache;
