BEGIN TRANSACTION;
CREATE TABLE audit_events (
	id INTEGER NOT NULL, 
	at INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	sub TEXT, 
	client_id TEXT, 
	detail TEXT NOT NULL, 
	CONSTRAINT pk_audit_events PRIMARY KEY (id)
);
INSERT INTO "audit_events" VALUES(1,1800000000,'keys.made',NULL,NULL,'{}');
INSERT INTO "audit_events" VALUES(2,1800000000,'sign_in.begun','u1','web','{"sid":"-izLx9hzIU4sC-5ns3BHz4","factor":"pwd"}');
INSERT INTO "audit_events" VALUES(3,1800000000,'consent.given','u1','web','{"scope":"openid profile email offline_access orders:read","resource":"https://op.test"}');
INSERT INTO "audit_events" VALUES(4,1800000000,'code.issued','u1','web','{"authorization":"sMNLN12G","scope":"openid profile email offline_access orders:read"}');
INSERT INTO "audit_events" VALUES(5,1800000000,'code.issued','u1','web','{"authorization":"jsjoVUDz","scope":"openid profile email offline_access orders:read"}');
INSERT INTO "audit_events" VALUES(6,1800000000,'code.redeemed','u1','web','{"authorization":"jsjoVUDz"}');
INSERT INTO "audit_events" VALUES(7,1800000000,'code.issued','u1','web','{"authorization":"RZf1q8tM","scope":"openid profile email offline_access orders:read"}');
INSERT INTO "audit_events" VALUES(8,1800000000,'code.redeemed','u1','web','{"authorization":"RZf1q8tM"}');
INSERT INTO "audit_events" VALUES(9,1800000000,'refresh.rotated','u1','web','{"authorization":"RZf1q8tM","generation":"1"}');
INSERT INTO "audit_events" VALUES(10,1800000000,'code.issued','u1','web','{"authorization":"8yUJ0FDg","scope":"openid profile email offline_access orders:read"}');
INSERT INTO "audit_events" VALUES(11,1800000000,'code.redeemed','u1','web','{"authorization":"8yUJ0FDg"}');
INSERT INTO "audit_events" VALUES(12,1800000000,'grant.revoked','u1','web','{"authorization":"8yUJ0FDg","by":"client"}');
CREATE TABLE authorizations (
	id TEXT NOT NULL, 
	client_id TEXT NOT NULL, 
	sub TEXT, 
	sid TEXT, 
	scope TEXT NOT NULL, 
	resource TEXT NOT NULL, 
	nonce TEXT, 
	auth_time INTEGER, 
	code_digest TEXT, 
	code_challenge TEXT, 
	redirect_uri TEXT, 
	code_expires_at INTEGER NOT NULL, 
	code_used_at INTEGER, 
	generation INTEGER NOT NULL, 
	rotated_at INTEGER, 
	refresh_idle_expires_at INTEGER, 
	refresh_absolute_expires_at INTEGER, 
	created_at INTEGER NOT NULL, 
	expires_at INTEGER NOT NULL, 
	revoked_at INTEGER, 
	CONSTRAINT pk_authorizations PRIMARY KEY (id), 
	CONSTRAINT fk_authorizations_client_id FOREIGN KEY(client_id) REFERENCES clients (client_id), 
	CONSTRAINT fk_authorizations_sub FOREIGN KEY(sub) REFERENCES users (sub), 
	CONSTRAINT uq_authorizations_code_digest UNIQUE (code_digest)
);
INSERT INTO "authorizations" VALUES('sMNLN12GEmrSifVwFvXhOk-6hzjPOOcmXu6chiuKUTE','web','u1','-izLx9hzIU4sC-5ns3BHz4','openid profile email offline_access orders:read','["https://op.test"]','the nonce',1800000000,'EzG9Ay-jzD2gmrRNXxLKben9kb7oQBrfU4Fr8SvLXV4','kmhQLYzIMhRamIlGoI5-WNU4LCX4yGBUPs7vLPbd1q0','https://rp.test/cb',1800000060,NULL,0,NULL,1801209600,1802592000,1800000000,1801210560,NULL);
INSERT INTO "authorizations" VALUES('jsjoVUDzN4j4GIJWp3TQpMfXGnMPW2AQRV5uKPl8JTk','web','u1','-izLx9hzIU4sC-5ns3BHz4','openid profile email offline_access orders:read','["https://op.test"]','the nonce',1800000000,'eqlr5DJz2cnp5pLYYufOTH1xFC_ikNiHdSS_qj1vecQ','kmhQLYzIMhRamIlGoI5-WNU4LCX4yGBUPs7vLPbd1q0','https://rp.test/cb',1800000060,1800000000,1,NULL,1801209600,1802592000,1800000000,1801210560,NULL);
INSERT INTO "authorizations" VALUES('RZf1q8tMvkuipvzNpHNjS6awzXXWe5Hy7qAKf6eMEkM','web','u1','-izLx9hzIU4sC-5ns3BHz4','openid profile email offline_access orders:read','["https://op.test"]','the nonce',1800000000,'99f8FGJv1n5yeG-gY6-laB7M0hs0JiBvXa_QKGj1qaI','kmhQLYzIMhRamIlGoI5-WNU4LCX4yGBUPs7vLPbd1q0','https://rp.test/cb',1800000060,1800000000,2,1800000000,1801209600,1802592000,1800000000,1801210560,NULL);
INSERT INTO "authorizations" VALUES('8yUJ0FDgZ77bg2DQQYyc4f_PSCwEbLODAat7rSl9gFk','web','u1','-izLx9hzIU4sC-5ns3BHz4','openid profile email offline_access orders:read','["https://op.test"]','the nonce',1800000000,'mYG9f5uHPZyNqlUTZec_lSOghqeN2Vn7dNLIbTsOzlA','kmhQLYzIMhRamIlGoI5-WNU4LCX4yGBUPs7vLPbd1q0','https://rp.test/cb',1800000060,1800000000,1,NULL,1801209600,1802592000,1800000000,1801210560,1800000000);
CREATE TABLE clients (
	client_id TEXT NOT NULL, 
	registration TEXT NOT NULL, 
	disabled INTEGER DEFAULT 0 NOT NULL, 
	updated_at INTEGER NOT NULL, 
	CONSTRAINT pk_clients PRIMARY KEY (client_id)
);
INSERT INTO "clients" VALUES('web','{"client_id":"web","secret_digest":"XCBNkJ1PW0qoSZiwpX9kyMQfP9v4Fb76MSEQmjPfcF4","token_endpoint_auth_method":"client_secret_basic","client_name":"Web","application_type":"web","redirect_uris":["https://rp.test/cb","https://rp.test/other"],"post_logout_redirect_uris":["https://rp.test/bye","https://rp.test/bye?a=1"],"grant_types":["authorization_code","client_credentials","refresh_token"],"response_types":["code"],"scope":["openid","profile","email","offline_access","orders:read","orders:write","bills:read"],"id_token_signed_response_alg":"ES256","skip_consent":false,"allow_insecure_without_pkce":false,"disabled":false}',0,1800000000);
INSERT INTO "clients" VALUES('post','{"client_id":"post","secret_digest":"XCBNkJ1PW0qoSZiwpX9kyMQfP9v4Fb76MSEQmjPfcF4","token_endpoint_auth_method":"client_secret_post","client_name":"Post","application_type":"web","redirect_uris":["https://rp.test/cb","https://rp.test/other"],"post_logout_redirect_uris":["https://rp.test/bye","https://rp.test/bye?a=1"],"grant_types":["authorization_code","client_credentials","refresh_token"],"response_types":["code"],"scope":["openid","profile","email","offline_access","orders:read","orders:write","bills:read"],"id_token_signed_response_alg":"ES256","skip_consent":false,"allow_insecure_without_pkce":false,"disabled":false}',0,1800000000);
INSERT INTO "clients" VALUES('first','{"client_id":"first","secret_digest":"XCBNkJ1PW0qoSZiwpX9kyMQfP9v4Fb76MSEQmjPfcF4","token_endpoint_auth_method":"client_secret_basic","client_name":"First","application_type":"web","redirect_uris":["https://rp.test/cb","https://rp.test/other"],"post_logout_redirect_uris":["https://rp.test/bye","https://rp.test/bye?a=1"],"grant_types":["authorization_code","client_credentials","refresh_token"],"response_types":["code"],"scope":["openid","profile","email","offline_access","orders:read","orders:write","bills:read"],"id_token_signed_response_alg":"RS256","skip_consent":true,"allow_insecure_without_pkce":false,"disabled":false}',0,1800000000);
INSERT INTO "clients" VALUES('native','{"client_id":"native","secret_digest":null,"token_endpoint_auth_method":"none","client_name":"Native","application_type":"native","redirect_uris":["http://127.0.0.1/cb"],"post_logout_redirect_uris":["https://rp.test/bye","https://rp.test/bye?a=1"],"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"scope":["openid","profile","email","offline_access","orders:read","orders:write","bills:read"],"id_token_signed_response_alg":"ES256","skip_consent":false,"allow_insecure_without_pkce":false,"disabled":false}',0,1800000000);
INSERT INTO "clients" VALUES('old','{"client_id":"old","secret_digest":"XCBNkJ1PW0qoSZiwpX9kyMQfP9v4Fb76MSEQmjPfcF4","token_endpoint_auth_method":"client_secret_basic","client_name":"Old","application_type":"web","redirect_uris":["https://rp.test/cb","https://rp.test/other"],"post_logout_redirect_uris":["https://rp.test/bye","https://rp.test/bye?a=1"],"grant_types":["authorization_code"],"response_types":["code"],"scope":["openid","profile","email","offline_access","orders:read","orders:write","bills:read"],"id_token_signed_response_alg":"ES256","skip_consent":false,"allow_insecure_without_pkce":true,"disabled":false}',0,1800000000);
INSERT INTO "clients" VALUES('robot','{"client_id":"robot","secret_digest":"XCBNkJ1PW0qoSZiwpX9kyMQfP9v4Fb76MSEQmjPfcF4","token_endpoint_auth_method":"client_secret_basic","client_name":"Robot","application_type":"web","redirect_uris":[],"post_logout_redirect_uris":["https://rp.test/bye","https://rp.test/bye?a=1"],"grant_types":["client_credentials"],"response_types":["code"],"scope":["openid","profile","email","offline_access","orders:read","orders:write","bills:read"],"id_token_signed_response_alg":"ES256","skip_consent":false,"allow_insecure_without_pkce":false,"disabled":false}',0,1800000000);
CREATE TABLE consents (
	sub TEXT NOT NULL, 
	client_id TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	resource TEXT NOT NULL, 
	granted_at INTEGER NOT NULL, 
	CONSTRAINT pk_consents PRIMARY KEY (sub, client_id), 
	CONSTRAINT fk_consents_client_id FOREIGN KEY(client_id) REFERENCES clients (client_id), 
	CONSTRAINT fk_consents_sub FOREIGN KEY(sub) REFERENCES users (sub)
);
INSERT INTO "consents" VALUES('u1','web','email offline_access openid orders:read profile','["https://op.test"]',1800000000);
CREATE TABLE interactions (
	digest TEXT NOT NULL, 
	browser_digest TEXT NOT NULL, 
	request TEXT NOT NULL, 
	created_at INTEGER NOT NULL, 
	expires_at INTEGER NOT NULL, 
	hint_sub TEXT, 
	signed_in_since INTEGER, 
	shown TEXT, 
	used_at INTEGER, 
	CONSTRAINT pk_interactions PRIMARY KEY (digest)
);
INSERT INTO "interactions" VALUES('OPijJdzuJHfMum1dX7OGIDJTURH8yDEcGg4S-dk3Yxo','7fNyAwF1tZX8WLHavMs3L9uBxqIoE9SAMS6fNMCOOjw','{"client_id":"web","redirect_uri":"https://rp.test/cb","response_type":"code","response_mode":"query","scope":["openid","profile","email","offline_access","orders:read"],"state":"the state","nonce":"the nonce","code_challenge":"kmhQLYzIMhRamIlGoI5-WNU4LCX4yGBUPs7vLPbd1q0","code_challenge_method":"S256","resource":[],"prompt":[],"max_age":null,"login_hint":null,"id_token_hint":null,"acr_values":[],"ui_locales":[]}',1800000000,1800000600,NULL,1800000000,'7Xvnur-2LKEQpaz9IHaJhp1f66gsxbFDXz0sWvYvyqU',1800000000);
INSERT INTO "interactions" VALUES('W8sP8ZKR3j2BzSj80v6cdUmnK8o8ehWq-wxhTjuE0Hg','LxHO7bRsA7JbZbNb_Ae39G-hRshxMjFbPO5DYtVxQYk','{"client_id":"web","redirect_uri":"https://rp.test/cb","response_type":"code","response_mode":"query","scope":["openid"],"state":"the state","nonce":"the nonce","code_challenge":"kmhQLYzIMhRamIlGoI5-WNU4LCX4yGBUPs7vLPbd1q0","code_challenge_method":"S256","resource":[],"prompt":[],"max_age":null,"login_hint":null,"id_token_hint":null,"acr_values":[],"ui_locales":[]}',1800000000,1800000600,NULL,NULL,NULL,NULL);
CREATE TABLE pending_logins (
	state_digest TEXT NOT NULL, 
	browser_digest TEXT NOT NULL, 
	issuer TEXT NOT NULL, 
	sealed TEXT NOT NULL, 
	redirect_uri TEXT NOT NULL, 
	next_path TEXT NOT NULL, 
	resource TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	max_age INTEGER, 
	created_at INTEGER NOT NULL, 
	expires_at INTEGER NOT NULL, 
	CONSTRAINT pk_pending_logins PRIMARY KEY (state_digest)
);
INSERT INTO "pending_logins" VALUES('82tFroGICe4kriSJ7av-PPKhJie2kpwH_Ho7iF1BTUQ','U5mesLyzXMqIJiZi4Db5hykRBdu4s-iR9Kc4ib0urXg','https://op.test','aJY_vzZwbMGcdC-lKc4dYGDuHlNb3-zP8gJQ3fgvNMp1EUbCpL-kJohmGdTLdMxRWeSzsLYuvBLUzh5xhfEd2eDZmnDpd_tb1h7yh31BgR324R5WtZgV0n4Ad_G5a_ViriwBfjJaTVwGNKhptJxuKaVRiC0beup2IcfN','https://rp.test/auth/callback','/orders','["https://api.test"]','openid orders:read',300,1800000000,1800000600);
CREATE TABLE proofkey_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT proofkey_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "proofkey_version" VALUES('0001');
CREATE TABLE sessions (
	id TEXT NOT NULL, 
	issuer TEXT NOT NULL, 
	sub TEXT NOT NULL, 
	claims TEXT NOT NULL, 
	sid TEXT, 
	created_at INTEGER NOT NULL, 
	seen_at INTEGER NOT NULL, 
	absolute_expires_at INTEGER NOT NULL, 
	sealed_tokens TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	refresh_holder TEXT, 
	refresh_until INTEGER, 
	CONSTRAINT pk_sessions PRIMARY KEY (id)
);
INSERT INTO "sessions" VALUES('df6TuG5r8zMWnqaND2SAcfz-gkSNVyhUv1juBVBWSYA','https://op.test','sub-of-ann','{"name":"Ann","roles":["admin"]}','sid-1',1800000000,1800000000,1800043200,'sLryz5yFiopNX4YaB4AqULlCMgbYxI8bKphUcbTjYzoERvxE3uY9tfs7jJDgTPLhhL1JOZ2RJGmclvB2TgrAkzfdF-dGRs6PRq4xxG8Fj8L7XCif1Jzv5FOhespzNVeoRgLgV3MX6dhC06wzLO_ubW_N9y7ID19nJf66CYo5B1nQUcsyAmui85tLQBexTRRPih1JuwNYwf2qFU2djdQSxlpdKbdgQY5WNbI2Cs36iouOAENnvtUk',0,NULL,NULL);
CREATE TABLE sign_ins (
	sid TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	sub TEXT NOT NULL, 
	auth_time INTEGER NOT NULL, 
	amr TEXT NOT NULL, 
	created_at INTEGER NOT NULL, 
	seen_at INTEGER NOT NULL, 
	absolute_expires_at INTEGER NOT NULL, 
	ended_at INTEGER, 
	CONSTRAINT pk_sign_ins PRIMARY KEY (sid), 
	CONSTRAINT fk_sign_ins_sub FOREIGN KEY(sub) REFERENCES users (sub), 
	CONSTRAINT uq_sign_ins_digest UNIQUE (digest)
);
INSERT INTO "sign_ins" VALUES('-izLx9hzIU4sC-5ns3BHz4','20Jp7Qz18-8u06eu9d-PX1sXkpCZh6NrbpIDew1E2AY','u1',1800000000,'["pwd"]',1800000000,1800000000,1800086400,NULL);
CREATE TABLE signing_keys (
	kid TEXT NOT NULL, 
	algorithm TEXT NOT NULL, 
	sealed_private_jwk TEXT NOT NULL, 
	public_jwk TEXT NOT NULL, 
	created_at INTEGER NOT NULL, 
	active_from INTEGER NOT NULL, 
	retired_at INTEGER, 
	remove_at INTEGER, 
	CONSTRAINT pk_signing_keys PRIMARY KEY (kid)
);
INSERT INTO "signing_keys" VALUES('KNHzbx5EuuosuNqO9IqZzSiCtNHDfVMOC_50pqj0wk4','ES256','SrtLcP70yszWiODYvKQY7NDWLJC3zVq92iKIffsZ_bcxI-eo9CoRTMwdNhuuHEiLmxwqENQ__CGZI6ViZGg7PV6Zd6TS-o655DDn2pAhZ300K65IaL8fbKcDouGveiCQJCaFWh14Wr18R87ANN1rO3hUVbC1lQwEpo4hsbV2Bk7yTqGl70658nvL6M8GC3bd596ap0YNHS0466QZNUJWik3DhUjsXdhIpTG2HhJyfNIoMX0ITS3NKuhF0zLVBdWRHUMj9s-6o8Xf3emkvTSKycplh0H6z8qLjw3pZpKaot-lptrO5mEFhrTiQkY11jmkx6o7-yLCzTD1-5VVGBa-Syai5A9td4WAfCjq79YcYdPSuzLwRNWdR5g5oC1Kvel5tniaJHOnfHuM','{"kty":"EC","crv":"P-256","x":"urXsZlQldoMppyeOPzt4J0WaQlUwUVDAQrzfQ93TFlE","y":"lt54SYZIEg7Dten_4pQm0bFK8Tv010WXv7eFNw0Uof8","use":"sig","alg":"ES256","kid":"KNHzbx5EuuosuNqO9IqZzSiCtNHDfVMOC_50pqj0wk4"}',1800000000,1800000000,NULL,NULL);
INSERT INTO "signing_keys" VALUES('yn2h7pQ6na8Sn2ajOFnkaxr5ukLxA5D9qBNuUsevGWs','RS256','nuHurbqrq_B5FFJgcJ5OpAtL2sUR2uASMtJKTalOhqsaw5wJrC4b0MBuVo2ajcYVzlepan_3SwivvBd-kKwrLkGhlVVuBHobcNjJ8lW2i9ul6Oh6ZLZzZ7WiW46zF_fC0aug5joc4GV5r_plnw86UBrFGILP-5MO4QjPf0L4DPaYs-Vtwz17PgN1iHN_6GFOdxFx8600P7rzOMkuGyG78ySon60YvvytopT1mlkrGstoYD22JewEiLSYrgYWmTQPuJXu4DJZ3uZlmwLDL30rFMd0siyJlLucWoFNfT3EbrxJU2laEeYwHs_QdFrqeDAszANhmizCWHYLbFHS_7vCCm4UnDMA24BJbIVjzvsgIG939hLI-jZ3v9ZVjWBlNPpQ4c8qBj5OVi6c9PbGTvasS4gmlmsUI9DYPUkLCc497OIKVSySfFkM2bDuBj005jY2xt3bV8xCXeFvyPOPQpDs2bYn4x3ZsKsanfNIA8AivfKvqSwm1s3X9nqPsJwcOrD7pxP-Dbucd_GA8Ocfr4KXYGojPfF0BPcy-ZDLdOCk8KXuLNPfugEBhfW34pQnIvSlmlCiXO--d_v5MRh-Qimzdv85MGytpD9XrE-Bha8lWeP-jn0Rkpam9I28fqAITkXfBbR0W5v81OAnW75wetI8vlwCfBCoF6iyQelH1-F0p4yqgef1zY4b650lw2EZF8Wqqv5yL0XzYBUb0-oRm6miWovomU7aShOKIvPM1jnZymQSsx1nX4w-jF2gGegYeugfpGsxXy-g3ka42YaVE83cgTV7ktr72j-kV5GL97L4KTLEdjVE1U7sBswI__2I1TMRZUFulqXFZ2lEXAic6a_6UTiSX5kwkdvDeW-5QW-EZoat-l_8P2-wxsXuQVhwwEs7jxuqmyAfMXvD3L5dtFq4CiGmdbgl_nfijJqJD8MdFEC0wPA3-QO5lOLF-fof9Cb_wAdz6xFvDzC36g6mrQIxdUfMOsmpjc6gy6hoe_W55Y7uh-lrVVaw0zy1MnhiEzldPc2eUbccoEi2GazShYXQaN8cI17pdwm1IN1mCskabqfZ_Ob5Vz91fIHDWX4FFkGxffP22NGTZ_RvEZSQjdEF3RMYv-zJx8EulgEQEG_j9GP46UOdpxCAJdOYxGUeAKm9Zsp8vlbD8T6WPL_VUL-zBhNpWOchoi4V52Qk5W3TvYV3SutisKE0KR8nHUTkj57yKtA6_UW_MoXZ8EjyxQovfoih9lv3AMuAByhBd3W6cPv3mWXFrlfw0jXTzuD8pcDclNCT_WoB_t49Edxob1z8mqA-_OPDlOHuFdQ4O-I9Off7JFrb_rmKQ3wTPDqkA--WF1nnAGHZtVbqah-Tj2iZwG5mMyD762V326W1rdZZPJFKxxZz95tbq5tJdpcKZHd1nWc_qygfesbsf3qOl6I3bXomW_0fgycRgHjM_PXfe2j8XmELR7JUJilkaWnzaI9uwPvdzvkK0EG4STVqxrvTifCj1FnHbiCp3UswJzZOXN-C0Nv3t5QISGZQXYEd_9yLfP2H0kQiOwvDgiu1qDSzrhiyzjmG-BIWXcj7f6js5RKaQspmk6bhY9aCzyMj5PB0vK6LUZ89km9Qg0tb6TYE2j7MR8QUsxsNITxdPRloAEYVcQkOsIgn6PnPe0c357lfieuoXc7RNsSSW9SXRBFZ6McBsVwfuJTmDlfdGNNKwLCjoT1OjBlwBcWGHXuslLja2LciuzAnyFPDRWRXS4FqbDOBs31gC-1B1tCjPuL_7Tfx-MHyOaJQgWuTkbRul-4tFutcYqlFVUyHLZ9vYL42Z6g8CnuGUBWiwOvq1pY9-MlCagMpiqYavcs3OvvADuI4YclktSNzMnhTQV64p1onPbtlUD033enBCJVdZy9Z3Qw0vDFi0Vv_50dWX-H-NctF3C6IwMp3NFDwt47TMMGFLgX72bkgH7addaPUBIuw_x9GBpNpHvi3POGkD-knK5MQZJdpXgFSOzz8R3ClAVMrU-Uf_FGbv-RkhTsAEaUxJZPwNirQbGAxXfVF8a0nMBaMFz19Tw_7UKJWbTKUXiNCwRvgbzmu7U70JHb1CVrxAtdNmVpf4Z7BdJVOQ09lpfbzPWXZKQ2Kpo-PPliEak97dezujp9I4G7lDYWEOsFK0nAdgFzMR1oLqzEkO5LHqtzT1giHeWU0dwKWHO7p0_KUw7YD40JnuNKuwUFkfetIvum4sR0nktFPBPbwRZkUMiWl41qnHAKODFNm7Py82OF5N9eT3mu9hufkSjUXjDUE1K5aIJbABEc8-rWvSFQEVbKxRJqZVbKx6iI5pc251AEta7wC-5gBD-OWSJKqFXShXe60yt3JadmmuNxtWIScTGAUfz4xIFZGH32eEnj1Ll7SgvLzJCBXyvgCoCU4Jh5iArjmZ_Y-YovCYQzi-oQU1oFad2dZ7dBJ9yB981lDwRI587n40u-riQBEiICJ6WWOPjJTp6_x8i13P4GwOSRPfbj5HaEKe5RgSiMnulUqaN2x1yYS8vzX775KiKc9pWTq3_ekTFtlWwc2xKlGN2zmxY6RTNP5pD_riIM3Jste3aH5oNmriZ3IgkLhKB5IgVwcKvUbV1TReM7zU7ZlXBNNhrYT3uEs4wmuH6wUB6NtuAYDoAbuv7W6p1PzkJPaDwUW31whCEZI_I_TEk_Ii06KXyAcTxOxtVjPk5FnwaouiDSS32cm9L8mRUoF_GMyARIqeEKqaJIlA52KaYqE0YjKpbN9oAbjIS1iDokmXGWZ5mLh3iOPkTMBkw9_6aqixSVmWp8QLBOx4M17GwZuBtCvQ5z6rLwJIgp8PTrHYqtsmDNQK_ejemc1dwCr8UeumpWztAu0TWiQH6VACcc6HHiR9WqgvXLmzQ7F57x8R4-5JzWwfu_RZwrzWtp4u__p-vyqe1lQR85WaUESYj-UYxHYsoZo4OhH_lGUcwZwMvjNRJEP-MucO96C1acA8bWslsHGmR2w5NnnJu0jFMd4mjxAvsvJwOVWRiXoCKz08eT_KR6A4mfRNzOmkhpZpVi5ZX_tdVpHtiesTlTNd-zGElfTQHP4wZwIl50VEhZLk05zS9msh5fXdixll-s6KEusQL9_gyerNS-zL8Y5jo8tnF2QsBKGXQ4ap8TeIt9BhHBpciVZixo7FS-HxxKDi7w78QM8IeTGiF9INJWOyxs0srvw35jJtQ72hetcMLBJ7EzbqHl82olRWbqYUO7lEpBJr1HqziA-LJmYRufaPZXXHg4J3y8Uz7WlUMwZ0Pipvtk5JMy9j7haKUanYeiA2RgbmkMkK5291zEIYjBxzbMwW6kwNUKmCCeh1hqG6Ey7H1cMhQ','{"kty":"RSA","n":"24F_eYfstacnt0qNLE6OccHMX2Ji8MgAPDSo9l1LGUx_85uYijXB31v8pehU1sLlfrCIQ6VdL9Q31HARoZOSwsym7KBx-HyBOEtRop3bos7BBJALOm7_6Hap7zcq6ax0Ktgjm0Gn_9sTU-S21vk_ILOWTdfJ3zqH3zPpRaIF8J8qvwmyhzhI7drxCIwDa6A1_hy8QgX-ltlazHqV2DW-2b3TQVKEV1Mu3-9mBG3d5Z_bFr2Fko-0jws4xk1wumEFSun-ZZXvhFs6jPF76MsUUFg7kQlJix2_Dr78hYGeOeiZ7I-83vTQtLwl4aoUQevKuTKcUE7mnavpsDoMz3PlxCGF1UHJn-fGyWL-EMqb0TkthUOVKSwrpc_auWVoPTs9SCXb5T5H0gJn6Wxa3oa-I806jGREuoCRbm2ykM7ySz2CoTcqB0tPR6WuTjElE8YAaXB0Vv-4-t4I7tz07YaPiPeBj47Aaf6wnEXoxLq83OrnyygjDks80qq79z0c_2wx","e":"AQAB","use":"sig","alg":"RS256","kid":"yn2h7pQ6na8Sn2ajOFnkaxr5ukLxA5D9qBNuUsevGWs"}',1800000000,1800000000,NULL,NULL);
CREATE TABLE throttles (
	rule TEXT NOT NULL, 
	key_digest TEXT NOT NULL, 
	next_at FLOAT NOT NULL, 
	count INTEGER NOT NULL, 
	forget_at FLOAT NOT NULL, 
	CONSTRAINT pk_throttles PRIMARY KEY (rule, key_digest)
);
INSERT INTO "throttles" VALUES('sign-in address','_sUlZaoM8Y9X189bOscoUDuJktLW99RtodEgEJCQKwI',1800000003.0,1,1800000003.0);
CREATE TABLE users (
	sub TEXT NOT NULL, 
	username TEXT, 
	password_hash TEXT NOT NULL, 
	roles TEXT NOT NULL, 
	claims TEXT NOT NULL, 
	disabled INTEGER DEFAULT 0 NOT NULL, 
	created_at INTEGER NOT NULL, 
	password_changed_at INTEGER NOT NULL, 
	deleted_at INTEGER, 
	CONSTRAINT pk_users PRIMARY KEY (sub), 
	CONSTRAINT ck_users_tombstone CHECK ((username IS NULL) = (deleted_at IS NOT NULL)), 
	CONSTRAINT uq_users_username UNIQUE (username)
);
INSERT INTO "users" VALUES('u1','ann','v1$9028ea0d15decaa35b2da21c0290af3b1a5ba0a30a591906f89b5074e209ea72','["admin"]','{"name":"Ann Example","email":"ann@op.test","email_verified":true,"nickname":""}',0,1800000000,1800000000,NULL);
INSERT INTO "users" VALUES('u2','bob','v1$4ae5d97d6d48d07c6d119304ccc697e8fa865baf9e07b7b023163a3a1e58f166','[]','{"email":"bob@op.test"}',0,1800000000,1800000000,NULL);
CREATE INDEX ix_sign_ins_absolute_expires_at ON sign_ins (absolute_expires_at);
CREATE INDEX ix_sign_ins_sub ON sign_ins (sub);
CREATE INDEX ix_interactions_expires_at ON interactions (expires_at);
CREATE INDEX ix_authorizations_expires_at ON authorizations (expires_at);
CREATE INDEX ix_authorizations_sid ON authorizations (sid);
CREATE INDEX ix_authorizations_sub ON authorizations (sub);
CREATE INDEX ix_throttles_forget_at ON throttles (forget_at);
CREATE INDEX ix_pending_logins_expires_at ON pending_logins (expires_at);
CREATE INDEX ix_sessions_absolute_expires_at ON sessions (absolute_expires_at);
COMMIT;
